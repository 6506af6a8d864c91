package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/promql/parser"
)

// What an expression of PromQL names.
type expression struct {
	Selectors []selector `json:"selectors"`
	Labels    []grouping `json:"labels"`
}

// Series that are looked for, and the function that is told of them over a time, if there is one.
type selector struct {
	Metric   string      `json:"metric"`
	Matchers [][3]string `json:"matchers"`
	Function string      `json:"function"`
}

// Labels that an aggregation or an operator goes by, and the metrics that have to have them.
type grouping struct {
	Names   []string `json:"names"`
	Metrics []string `json:"metrics"`
}

// Prints what each expression of a JSON list names, in their order.
func parse(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var texts []string
	if err := json.Unmarshal(content, &texts); err != nil {
		return err
	}
	promql := parser.NewParser(parser.Options{})
	parsed := make([]expression, 0, len(texts))
	for _, text := range texts {
		root, err := promql.ParseExpr(text)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		parsed = append(parsed, named(root))
	}
	return json.NewEncoder(os.Stdout).Encode(parsed)
}

func named(root parser.Node) expression {
	found := expression{[]selector{}, []grouping{}}
	parser.Inspect(root, func(node parser.Node, path []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			found.Selectors = append(found.Selectors, selected(node, path))
		case *parser.AggregateExpr:
			found.Labels = append(found.Labels, grouping{node.Grouping, metrics(node.Expr)})
		case *parser.BinaryExpr:
			if node.VectorMatching != nil && node.VectorMatching.On {
				found.Labels = append(found.Labels, grouping{node.VectorMatching.MatchingLabels, metrics(node)})
			}
		}
		return nil
	})
	return found
}

func selected(node *parser.VectorSelector, path []parser.Node) selector {
	found := selector{Metric: node.Name, Matchers: [][3]string{}}
	for _, matcher := range node.LabelMatchers {
		if matcher.Name != "__name__" {
			found.Matchers = append(found.Matchers, [3]string{matcher.Name, matcher.Type.String(), matcher.Value})
		}
	}
	if len(path) >= 2 {
		_, over := path[len(path)-1].(*parser.MatrixSelector)
		if call, is := path[len(path)-2].(*parser.Call); over && is {
			found.Function = call.Func.Name
		}
	}
	return found
}

func metrics(root parser.Node) []string {
	names := []string{}
	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		if selector, is := node.(*parser.VectorSelector); is {
			names = append(names, selector.Name)
		}
		return nil
	})
	return names
}
