package adopt

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// alike refuses a project that runs in the repository, and is another than it was: a Compose file that was changed since it was started, or a variable
// that whoever started it had.
func alike(p Project, now []container, dir string) error {
	there := map[string]container{}
	for _, c := range now {
		there[c.key()] = c
	}
	for _, was := range p.containers {
		is, ok := there[was.key()]
		if !ok {
			return fmt.Errorf("%w: there is no %s in the repository; profiles and --scale go into .env and the Compose file", ErrUnfit, was.title())
		}
		if differ := append(names(was.Config.Env, is.Config.Env), names(is.Config.Env, was.Config.Env)...); len(differ) > 0 {
			slices.Sort(differ)
			return fmt.Errorf("%w: in the repository %s has other values, or none, of the variables %s: put those that it was started with into .env; docker compose up --detach before",
				ErrUnfit, was.title(), strings.Join(slices.Compact(differ), ", "))
		}
		for _, c := range []struct {
			what    string
			was, is []string
		}{
			{"command", slices.Concat(was.Config.Entrypoint, was.Config.Cmd), slices.Concat(is.Config.Entrypoint, is.Config.Cmd)},
			{"user and directory", []string{was.Config.User, was.Config.WorkingDir}, []string{is.Config.User, is.Config.WorkingDir}},
			{"mounts", was.places(p.Dir), is.places(dir)},
		} {
			if !slices.Equal(c.was, c.is) {
				return fmt.Errorf("%w: %s has other %s in the repository, %q and not %q: the Compose file or the variables are not those that it was started with; docker compose up --detach before",
					ErrUnfit, was.title(), c.what, c.is, c.was)
			}
		}
	}
	return nil
}

// key names a container within its project.
func (c container) key() string { return c.label(labelService) + " " + c.label(labelNumber) }

// names are the variables that are not the same among others: never their values.
func names(all, others []string) (names []string) {
	for _, v := range all {
		if !slices.Contains(others, v) {
			name, _, _ := strings.Cut(v, "=")
			names = append(names, name)
		}
	}
	return names
}

// below is a path of the host's, as one from a directory on where it is in there. Links in there are links in the repository as well; the directory
// itself may be called by another name.
func below(dir, path string) string {
	for at, rest := path, ""; at != "/" && at != "."; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		if real, err := filepath.EvalSymlinks(at); at == dir || err == nil && real == dir {
			return "./" + rest
		}
	}
	return path
}

// places are what a container has mounted where: of a directory's by the path below it.
func (c container) places(dir string) (places []string) {
	for _, m := range c.Mounts {
		what := m.Name
		if m.Type == "bind" {
			what = below(dir, m.Source)
		}
		if unnamed(m.Name) {
			what = ""
		}
		places = append(places, fmt.Sprintf("%s %s at %s, written %t", m.Type, what, m.Destination, m.RW))
	}
	slices.Sort(places)
	return places
}
