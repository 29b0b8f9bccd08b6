package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/infra/tokens"
)

func tokenCommand(file *string) *cobra.Command {
	var order tokens.SignRequest
	var keyFile string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a signed token (JWT)",
		Long: `Makes a token that lets its owner subscribe and publish to the topics that the given patterns select, and
prints it. It is signed with the key of the configuration (auth.jwt.key or auth.jwt.key_file), which must be the
shared secret or the private key, or with that of --key-file. Issuer and audience are those of the configuration.`,
		Example: `  carillon token --subscribe 'orders/**' --ttl 1h
  carillon token --publish '**' --key-file private.pem --algorithm EdDSA --subject shop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(*file, os.Environ())
			if err != nil {
				return err
			}
			if order.Key, err = signingKey(c.Auth.JWT, keyFile); err != nil {
				return err
			}
			order.Algorithm = cmp.Or(order.Algorithm, c.Auth.JWT.Algorithm)
			order.Issuer, order.Audience = c.Auth.JWT.Issuer, c.Auth.JWT.Audience
			token, err := tokens.Sign(order, time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&order.Subscribe, "subscribe", nil, "`PATTERN` of topics its owner may subscribe to; repeatable")
	flags.StringArrayVar(&order.Publish, "publish", nil, "`PATTERN` of topics its owner may publish to; repeatable")
	flags.DurationVar(&order.TTL, "ttl", time.Hour, "how long it is good for; a stream ends when its token does")
	flags.StringVar(&order.Subject, "subject", "", "whom it is for")
	flags.StringVar(&keyFile, "key-file", "", "`FILE` with the key to sign with (default that of the configuration)")
	flags.StringVar(&order.Algorithm, "algorithm", "", "HS256, RS256, ES256 or EdDSA (default that of the configuration)")
	return cmd
}

// signingKey is the key to sign with.
func signingKey(cfg tokens.JWT, file string) ([]byte, error) {
	if file == "" && cfg.Key != "" {
		return []byte(cfg.Key.Reveal()), nil
	}
	if file = cmp.Or(file, cfg.KeyFile); file == "" {
		return nil, errors.New("there is no key to sign with: give one with --key-file, or set auth.jwt.key or auth.jwt.key_file")
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	return key, nil
}
