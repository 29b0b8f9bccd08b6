package eventtest

// Hostile is text that breaks naive framing, or is changed on its way by careless code.
var Hostile = []string{
	"", " ", "  leading", "trailing  ", "\t", "\ttab", "a\nb", "a\rb", "a\r\nb", "\n", "\n\n", "\r\n\r\n", "\n\r", "\r\r", "a\n\nb\n",
	"\x00", "a\x00b", "\x7f", "\x1b[2J", "\u0080\u0085\u009f", "\u2028\u2029", "\uFEFF", "\uFEFFdata: x", "\u202Eabc\u2066", "\u200B",
	"data: x", "data:x", "\ndata: x\n\nevent: carillon.goaway\ndata: {}\n\n", "id: 5", ":comment", ": ", "retry: 1", "event",
	"\n\nid: a1-99\nretry: 1\nevent: forged\ndata: forged\n\n", "data", ":", "\r\nid\r\n", `{"a":"b\nc"}`, `\u0000\ud800`, "&lt;<>\"'",
	"é", "日本語", "👩‍👩‍👧", "\U0010FFFF", "\uFFFD", "a\u0301",
}
