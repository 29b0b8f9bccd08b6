package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/infra/tokens"
)

func tokenCommand(file *string) *cobra.Command {
	var order tokens.Order
	var keyFile string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a token (JWT) that a server with the same key accepts",
		Long: `Makes a signed token that allows its bearer to subscribe and publish to what the patterns
select, until it expires. It is printed alone on a line.

The key, algorithm, issuer and audience are those of the configuration. Where the
server has only the public half of a key, --key-file names the private one.`,
		Example: `  carillon token --subscribe 'orders/**' --ttl 10m
  carillon token --publish 'orders/*' --publish news --subject shop
  carillon token --publish '**' --algorithm EdDSA --key-file private.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(*file, os.Environ())
			if err != nil {
				return err
			}
			if order.Key, err = signingKey(c.Auth.JWT, keyFile); err != nil {
				return err
			}
			if order.Algorithm == "" {
				order.Algorithm = c.Auth.JWT.Algorithm
			}
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
	flags.StringArrayVar(&order.Subscribe, "subscribe", nil, "`PATTERN` of topics that may be listened to; repeatable")
	flags.StringArrayVar(&order.Publish, "publish", nil, "`PATTERN` of topics that may be published to; repeatable")
	flags.DurationVar(&order.TTL, "ttl", time.Hour, "how long the token is good for")
	flags.StringVar(&order.Subject, "subject", "", "`NAME` of whom the token is for")
	flags.StringVar(&order.Algorithm, "algorithm", "", "`NAME`: HS256, RS256, ES256 or EdDSA (default auth.jwt.algorithm)")
	flags.StringVar(&keyFile, "key-file", "", "`FILE` with the key: a secret, or a private key in PEM (default auth.jwt.key or auth.jwt.key_file)")
	return cmd
}

// signingKey is the key to make tokens with: what the command line names, else what the server checks them with.
func signingKey(cfg tokens.JWT, file string) ([]byte, error) {
	if file == "" && cfg.Key != "" {
		return []byte(cfg.Key.Reveal()), nil
	}
	if file == "" {
		file = cfg.KeyFile
	}
	if file == "" {
		return nil, errors.New("there is no key to sign with: takes --key-file, auth.jwt.key or auth.jwt.key_file")
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	return key, nil
}
