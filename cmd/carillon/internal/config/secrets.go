package config

import (
	"slices"

	"carillon/internal/domain/access"
)

// secretKeys returns the keys that hold secrets.
func secretKeys() ([]string, error) {
	values, err := flatten(Settings{})
	if err != nil {
		return nil, err
	}
	var keys []string
	for key, value := range values {
		if _, secret := value.(access.Secret); secret {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}
