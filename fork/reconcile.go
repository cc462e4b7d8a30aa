package fork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Report is what Reconcile found.
type Report struct {
	Undone   []Tree   // were being made
	Finished []Tree   // were being removed
	Missing  []Tree   // recorded, but not on the disk: nothing was done about them
	Orphans  []string // on the disk, but not recorded: nothing was done about them
}

// Reconcile brings registry and disk together, at start and before anything else is done: what a crash left half-made is undone,
// what it left half-removed is removed. It deletes nothing that could be somebody's data: every directory with data in it has had
// a record since before it was made, so one without comes from elsewhere, such as a registry restored from a backup.
func (s *Store) Reconcile(ctx context.Context) (Report, error) {
	var report Report
	var errs []error
	for _, t := range byRef(s.registry.list(func(Tree) bool { return true })) {
		if t.State == Ready {
			if _, err := os.Lstat(s.Dirs(t).Tree); errors.Is(err, os.ErrNotExist) {
				report.Missing = append(report.Missing, t)
			}
			errs = append(errs, s.refreeze(t))
			continue
		}
		if err := s.finishRemoval(ctx, t); err != nil {
			errs = append(errs, fmt.Errorf("cannot remove the rest of %s: %w", t.Ref(), err))
		} else if t.State == Making {
			report.Undone = append(report.Undone, t)
		} else {
			report.Finished = append(report.Finished, t)
		}
	}
	errs = append(errs, s.dropHalf(), s.emptySpare(ctx), s.reclaimGroups(), s.sweepGroups())
	for _, name := range []string{"repos", "forks"} {
		orphans, err := s.orphans(name)
		errs = append(errs, err)
		report.Orphans = append(report.Orphans, orphans...)
	}
	kept, err := s.keptOrphans()
	report.Orphans = append(report.Orphans, kept...)
	return report, errors.Join(append(errs, err)...)
}

// emptySpare ends and removes what an earlier process prepared and never used.
func (s *Store) emptySpare(ctx context.Context) error {
	dir := filepath.Join(s.pool, "spare")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := s.dropSpare(ctx, entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) orphans(kind string) (paths []string, err error) {
	dir := filepath.Join(s.pool, kind)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		t, ok := s.registry.get(entry.Name())
		if path := filepath.Join(dir, entry.Name()); !ok || s.Dirs(t).Base != path {
			paths = append(paths, path)
		}
	}
	return paths, nil
}
