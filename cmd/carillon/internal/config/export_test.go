package config

// Names that tests of the package use.
var (
	Flatten        = flatten
	FormatDuration = formatDuration
)

const FileSuffix = fileSuffix

// Origins returns where each key was set that is not at its default.
func (c *Configuration) Origins() map[string]string { return c.origins }
