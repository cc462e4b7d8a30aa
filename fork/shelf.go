package fork

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// Shelf is a place in the registry for records that belong to somebody else, who alone knows what they mean: they are kept in the one
// file that a backup takes and that one process has open. Its methods may be called from many goroutines.
type Shelf struct {
	db     *bbolt.DB
	bucket []byte
	name   string
}

// Shelf opens, or makes, the shelf of that name.
func (s *Store) Shelf(name string) (*Shelf, error) {
	shelf := &Shelf{db: s.registry.db, bucket: []byte("shelf " + name), name: name}
	err := shelf.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(shelf.bucket)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot open the shelf of %s: %w", name, err)
	}
	return shelf, nil
}

// Put keeps a record under a key. It is on the disk when Put returns.
func (s *Shelf) Put(key string, record []byte) error {
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(s.bucket).Put([]byte(key), record) }); err != nil {
		return fmt.Errorf("cannot record %s among %s: %w", key, s.name, err)
	}
	return nil
}

// Delete forgets a record; one that is not there is no error.
func (s *Shelf) Delete(key string) error {
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(s.bucket).Delete([]byte(key)) }); err != nil {
		return fmt.Errorf("cannot remove the record %s among %s: %w", key, s.name, err)
	}
	return nil
}

// All reads every record, by key.
func (s *Shelf) All() (map[string][]byte, error) {
	all := map[string][]byte{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(s.bucket).ForEach(func(key, record []byte) error {
			all[string(key)] = append([]byte{}, record...)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the records of %s: %w", s.name, err)
	}
	return all, nil
}
