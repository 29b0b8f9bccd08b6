package disklog

import "slices"

// worthFreeing is how many removed items are worth the work of giving their memory back.
const worthFreeing = 1024

// queue is a first-in, first-out queue. Items before head were removed.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) length() int { return len(q.items) - q.head }

func (q *queue[T]) front() *T { return &q.items[q.head] }

func (q *queue[T]) push(item T) { q.items = append(q.items, item) }

// pop removes the oldest item. It gives memory back now and then: a slice does not do so by itself.
func (q *queue[T]) pop() {
	var none T
	q.items[q.head] = none
	q.head++
	if q.head >= worthFreeing && q.head > len(q.items)/2 {
		q.items, q.head = slices.Clone(q.items[q.head:]), 0
	}
}
