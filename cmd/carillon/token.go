package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/infra/tokens"
)

func tokenCommand(file *string) *cobra.Command {
	var request tokens.SignRequest
	var keyFile string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Create a signed token (JWT)",
		Long: `Creates a token that grants subscribing and publishing to the topics that the given patterns match, and prints
it. It is signed with the key of --key-file or of the configuration (auth.jwt.key or auth.jwt.key_file), which
must be the shared secret or the private key. Issuer and audience are those of the configuration.`,
		Example: `  carillon token --subscribe 'orders/**' --ttl 1h
  carillon token --publish '**' --key-file private.pem --algorithm EdDSA --subject shop
  carillon token --subscribe 'room/*' --presence 'room/*' --subject u7 --info '{"name":"Ada"}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(*file, os.Environ())
			if err != nil {
				return err
			}
			if request.Key, err = signingKey(c.Auth.JWT, keyFile); err != nil {
				return err
			}
			request.Algorithm = cmp.Or(request.Algorithm, c.Auth.JWT.Algorithm)
			request.Issuer, request.Audience = c.Auth.JWT.Issuer, c.Auth.JWT.Audience
			token, err := tokens.Sign(request, time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&request.Subscribe, "subscribe", nil, "`PATTERN` of topics to subscribe to; may be repeated")
	flags.StringArrayVar(&request.Publish, "publish", nil, "`PATTERN` of topics to publish to; may be repeated")
	flags.StringArrayVar(&request.Presence, "presence", nil, "`PATTERN` of topics whose members may be seen; may be repeated")
	flags.StringVar(&request.Info, "info", "", "`JSON` object that those who see the members see, at most 1 KiB")
	flags.DurationVar(&request.TTL, "ttl", time.Hour, "validity of the token; streams end when it expires")
	flags.StringVar(&request.Subject, "subject", "", "subject of the token")
	flags.StringVar(&keyFile, "key-file", "", "`FILE` with the signing key (default: that of the configuration)")
	flags.StringVar(&request.Algorithm, "algorithm", "", "HS256, RS256, ES256 or EdDSA (default: that of the configuration)")
	return cmd
}

// signingKey returns the key of the file, or without one that of the configuration.
func signingKey(cfg tokens.JWT, file string) ([]byte, error) {
	if file == "" && cfg.Key != "" {
		return []byte(cfg.Key.Reveal()), nil
	}
	if file = cmp.Or(file, cfg.KeyFile); file == "" {
		return nil, errors.New("no signing key: use --key-file, or set auth.jwt.key or auth.jwt.key_file")
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	return key, nil
}
