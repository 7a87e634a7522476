package gate

import (
	"hash/maphash"
	"maps"
	"sync/atomic"
)

// shardCount keeps a change cheap: it copies one shard, so with a million
// tenants about 250 entries and not a million.
const shardCount = 4096

// shards is a map from strings that readers ask without a lock. It has one
// writer at a time, which replaces whole shards.
type shards[V any] struct {
	seed maphash.Seed
	maps [shardCount]atomic.Pointer[map[string]V]
}

func newShards[V any]() *shards[V] { return &shards[V]{seed: maphash.MakeSeed()} }

func (s *shards[V]) shard(key string) *atomic.Pointer[map[string]V] {
	return &s.maps[maphash.String(s.seed, key)%shardCount]
}

func (s *shards[V]) get(key string) (v V, ok bool) {
	if m := s.shard(key).Load(); m != nil {
		v, ok = (*m)[key]
	}
	return v, ok
}

func (s *shards[V]) set(key string, v V) {
	s.change(key, func(m map[string]V) { m[key] = v })
}

func (s *shards[V]) remove(key string) {
	s.change(key, func(m map[string]V) { delete(m, key) })
}

func (s *shards[V]) change(key string, edit func(map[string]V)) {
	p := s.shard(key)
	next := map[string]V{}
	if old := p.Load(); old != nil {
		next = maps.Clone(*old)
	}
	edit(next)
	p.Store(&next)
}

// len returns how many entries there are.
func (s *shards[V]) len() (n int) {
	for i := range s.maps {
		if m := s.maps[i].Load(); m != nil {
			n += len(*m)
		}
	}
	return n
}

// all calls f for every entry, in no order.
func (s *shards[V]) all(f func(key string, v V)) {
	for i := range s.maps {
		if m := s.maps[i].Load(); m != nil {
			for k, v := range *m {
				f(k, v)
			}
		}
	}
}
