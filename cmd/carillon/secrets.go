package main

import (
	"slices"

	"carillon/internal/domain/access"
)

// secretKeys are the keys whose values nobody may see.
func secretKeys() ([]string, error) {
	values, err := leaves(Settings{})
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
