// Package sse is the format of Server-Sent Events (WHATWG HTML, 9.2): the encoder, the decoder and the control events.
// Package delivery writes streams to clients in the format that [Codec] defines.
//
// A conforming parser reads back the same event that the encoder wrote, and no payload can end a frame or begin
// another.
package sse
