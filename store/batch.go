package store

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// Batch writes items that many goroutines hand over with the same few
// statements: those that come while the writer is busy are written together,
// in one Update.
type Batch[T any] struct {
	store *Store
	write func(*Tx, []T) error

	mu      sync.Mutex // guards all below
	waiting []*member[T]
	led     bool // one of those who wait will take them
}

// member is one item under way, and who waits for it.
type member[T any] struct {
	ctx  context.Context
	item T
	news chan news // gets the next of what its owner has to know
}

// news tells the owner of an item what comes next.
type news struct {
	lead  bool  // take those who wait, and write them
	alone bool  // write it in an Update of its own
	err   error // else it is done
}

// NewBatch gives a Batch whose items write writes. When write fails, nothing
// that it changed remains; of several items each is then written alone, so
// write may be called twice with an item and begins anew with it.
func NewBatch[T any](s *Store, write func(*Tx, []T) error) *Batch[T] {
	return &Batch[T]{store: s, write: write}
}

// Do writes an item and returns nil once it is on the disk. What holds of
// Update's function holds of write. When ctx ends before it is the item's turn,
// its error is returned.
func (b *Batch[T]) Do(ctx context.Context, item T) error {
	m := &member[T]{ctx, item, make(chan news, 1)}
	if b.store.most == 1 {
		return b.alone(m)
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, m)
	lead := !b.led
	b.led = true
	b.mu.Unlock()
	if lead {
		m.news <- news{lead: true}
	}
	for {
		switch n := <-m.news; {
		case n.lead:
			b.lead(m)
		case n.alone:
			return b.alone(m)
		default:
			return n.err
		}
	}
}

func (b *Batch[T]) alone(m *member[T]) error {
	return b.store.Update(m.ctx, func(tx *Tx) error { return b.write(tx, []T{m.item}) })
}

// lead writes those who wait once it is their turn, the leader among them, and
// those who come meanwhile, and tells each of them how it went.
func (b *Batch[T]) lead(leader *member[T]) {
	var taken []*member[T]
	runtime.Gosched() // those who are ready to hand over an item do so first
	began, leads := false, true
	outcome := news{alone: true} // unless write returns
	defer func() {
		if leads {
			b.resign()
		}
		for _, m := range taken {
			m.news <- outcome
		}
	}()
	err := b.store.Update(context.WithoutCancel(leader.ctx), func(tx *Tx) error {
		began = true
		for {
			more := b.take(b.store.most - len(taken))
			if len(more) == 0 {
				leads = false
				b.resign() // who comes from here on is written in the next Update
				return nil
			}
			taken = append(taken, more...)
			if err := b.together(tx, leader, more); err != nil {
				return err
			}
		}
	})
	if !began { // the store takes no updates
		taken = b.take(b.store.most)
		outcome = news{err: err}
	} else if err == nil || len(taken) == 1 && taken[0] == leader {
		outcome = news{err: err}
	}
}

// together writes the items of all. A panic over an item of others is an error
// here, and comes again where that item is written alone, in its own goroutine.
func (b *Batch[T]) together(tx *Tx, leader *member[T], all []*member[T]) (err error) {
	items := make([]T, len(all))
	for i, m := range all {
		items[i] = m.item
	}
	if len(all) > 1 || all[0] != leader {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("one of %d items broke: %v", len(all), r)
			}
		}()
	}
	return b.write(tx, items)
}

// take gives those who wait, but for those whose context has ended, and at most
// n.
func (b *Batch[T]) take(n int) (taken []*member[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) > 0 && len(taken) < n {
		m := b.waiting[0]
		b.waiting = b.waiting[1:]
		if err := m.ctx.Err(); err != nil {
			m.news <- news{err: err}
			continue
		}
		taken = append(taken, m)
	}
	return taken
}

// resign makes the first of those who wait their leader, if there is any.
func (b *Batch[T]) resign() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.led = len(b.waiting) > 0; b.led {
		b.waiting[0].news <- news{lead: true}
	}
}
