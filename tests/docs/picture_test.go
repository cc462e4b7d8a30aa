package docs

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each picture is what its text makes. UPDATE=1, as in make docs-pictures, draws them.
func TestPictures(t *testing.T) {
	files, err := filepath.Glob("../../packaging/docs/pictures/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no pictures: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := draw(string(text))
		if err != nil {
			t.Errorf("%s:%v", file, err)
			continue
		}
		svg := strings.TrimSuffix(file, ".txt") + ".svg"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(svg, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(svg); err != nil || string(got) != want {
			t.Errorf("%s is not what its text makes (%v): make docs-pictures", svg, err)
		}
	}
}

func TestPicturesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"box a \"x\"":                     "1: a box outside of a row",
		"row\nbox a":                      "2: not understood",
		"row\nbox a \"x\"\narrow a b":     "3: no box is called b",
		"circle":                          "1: not understood",
		"row\nbox a \"x\"\nbox a \"y\"":   "3: a second box called a",
		"row\nbox a \"x\"\narrow a a \"?": "3: not understood",
	} {
		if _, err := draw(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if svg, err := draw("row\nbox a \"<b>\"\n"); err != nil || strings.Contains(svg, "<b>") {
		t.Errorf("what is written is drawn as it is: %v, %s", err, svg)
	}
}

const (
	width, high, gap, margin = 880, 54, 46, 20
	letter                   = 7.0 // how wide one is, about
)

var (
	boxLine   = regexp.MustCompile(`^box ([a-z]+) "([^"]*)"(?: "([^"]*)")?$`)
	arrowLine = regexp.MustCompile(`^arrow ([a-z]+) ([a-z]+)(?: "([^"]*)")?$`)
)

// shape is a box, by its middle.
type shape struct {
	title, below string
	x, y, half   float64
}

// draw makes an SVG of lines: row, box NAME "TITLE" "BELOW", arrow FROM TO "LABEL", and comments.
func draw(text string) (string, error) {
	var rows [][]*shape
	var arrows strings.Builder
	boxes := make(map[string]*shape)
	var late []func() error // arrows are drawn when all boxes have their place
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		at := n
		box, arrow := boxLine.FindStringSubmatch(line), arrowLine.FindStringSubmatch(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case line == "row":
			rows = append(rows, nil)
		case box != nil && len(rows) == 0:
			return "", fmt.Errorf("%d: a box outside of a row", n)
		case box != nil && boxes[box[1]] != nil:
			return "", fmt.Errorf("%d: a second box called %s", n, box[1])
		case box != nil:
			boxes[box[1]] = &shape{title: box[2], below: box[3]}
			rows[len(rows)-1] = append(rows[len(rows)-1], boxes[box[1]])
		case arrow != nil:
			late = append(late, func() error {
				for _, name := range arrow[1:3] {
					if boxes[name] == nil {
						return fmt.Errorf("%d: no box is called %s", at, name)
					}
				}
				arrows.WriteString(drawArrow(boxes[arrow[1]], boxes[arrow[2]], arrow[3]))
				return nil
			})
		default:
			return "", fmt.Errorf("%d: not understood: %s", n, line)
		}
	}
	drawn := placed(rows)
	for _, f := range late {
		if err := f(); err != nil {
			return "", err
		}
	}
	height := 2*margin + len(rows)*high + (len(rows)-1)*gap
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 10 5 0 10z" fill="#555"/></marker></defs>
<rect width="100%%" height="100%%" fill="#fff"/>
%s%s</svg>
`, width, height, drawn, arrows.String()), nil
}

// placed gives each box its place, and draws it.
func placed(rows [][]*shape) string {
	var text strings.Builder
	for i, row := range rows {
		for j, b := range row {
			b.x = float64(width) * (float64(j) + 0.5) / float64(len(row))
			b.y = float64(margin + i*(high+gap) + high/2)
			b.half = max(110, letter*float64(max(len(b.title), len(b.below)))/2+14)
			fmt.Fprintf(&text, "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%d\" rx=\"6\" fill=\"#eef3f8\" stroke=\"#456\"/>\n", b.x-b.half, b.y-high/2, 2*b.half, high)
			fmt.Fprintf(&text, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\" font-weight=\"bold\" fill=\"#123\">%s</text>\n", b.x, b.y-4, html.EscapeString(b.title))
			fmt.Fprintf(&text, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\" fill=\"#345\">%s</text>\n", b.x, b.y+15, html.EscapeString(b.below))
		}
	}
	return text.String()
}

// drawArrow leads from one box's edge to the other's: down, up, or sideways within a row.
func drawArrow(from, to *shape, label string) string {
	x1, y1, x2, y2 := from.x, from.y, to.x, to.y
	switch {
	case from.y < to.y:
		y1, y2 = y1+high/2, y2-high/2
	case from.y > to.y:
		y1, y2 = y1-high/2, y2+high/2
	case from.x < to.x:
		x1, x2 = x1+from.half, x2-to.half
	default:
		x1, x2 = x1-from.half, x2+to.half
	}
	text := fmt.Sprintf("<line x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\" stroke=\"#555\" marker-end=\"url(#tip)\"/>\n", x1, y1, x2, y2)
	if label != "" {
		x, y, wide := (x1+x2)/2, (y1+y2)/2, letter*float64(len(label))+8
		text += fmt.Sprintf("<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"18\" fill=\"#fff\"/>\n", x-wide/2, y-9, wide) +
			fmt.Sprintf("<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\" font-size=\"12\" fill=\"#333\">%s</text>\n", x, y+4, html.EscapeString(label))
	}
	return text
}
