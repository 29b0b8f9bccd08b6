package access_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

func TestSecretIsNotShown(t *testing.T) {
	const canary = "canary-e7b1"
	secret := access.Secret(canary)
	values := struct {
		Of   access.Secret
		List []access.Secret
	}{secret, []access.Secret{secret}}
	asJSON, err := json.Marshal(values)
	require.NoError(t, err)

	for _, shown := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%s %v %+v %#v %q %x", secret, secret, secret, secret, secret, secret),
		fmt.Sprintf("%v %+v %#v", values, values, values), string(asJSON), fmt.Sprintf("%v", &values),
	} {
		assert.NotContains(t, shown, canary)
		assert.NotContains(t, shown, fmt.Sprintf("%x", canary))
	}
	assert.Equal(t, canary, secret.Reveal())
	assert.Equal(t, `{"Of":"***","List":["***"]}`, string(asJSON))
	assert.Empty(t, access.Secret("").String(), "an unset secret is shown as empty")
}
