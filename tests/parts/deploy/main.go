// Loads a file as the program it is for would: `deploy compose FILE` as Docker Compose does,
// `deploy prometheus FILE` as Prometheus does. Prints a composition as JSON, all merged and resolved;
// of `deploy promql FILE`, a JSON list of expressions, what each of them names. `deploy rules FILE` runs
// the tests in it of alerts and recorded series.
// `deploy lint CHART VALUES...` and `deploy template CHART RELEASE KUBERNETES VALUES...` are Helm's.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns"
)

func main() {
	words := os.Args[1:]
	if len(words) < 2 || words[0] == "template" && len(words) < 4 {
		fmt.Fprintln(os.Stderr, "usage: deploy compose|prometheus|promql|rules FILE, lint CHART VALUES..., template CHART RELEASE KUBERNETES VALUES...")
		os.Exit(2)
	}
	if err := load(words[0], words[1], words[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(kind, file string, more []string) error {
	switch kind {
	case "compose":
		options, err := cli.NewProjectOptions([]string{file}, cli.WithResolvedPaths(true))
		if err != nil {
			return err
		}
		project, err := options.LoadProject(context.Background())
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(project)
	case "promql":
		return parse(file)
	case "rules":
		return testRules(file)
	case "prometheus":
		_, err := config.LoadFile(file, false, slog.Default())
		return err
	case "lint":
		return lintChart(file, more)
	case "template":
		return renderChart(file, more[0], more[1], more[2:])
	}
	return fmt.Errorf("no kind of file is called `%s`", kind)
}
