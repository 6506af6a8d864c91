package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// Tests of rules, as `promtool test rules` reads them: of that format what ours use. promtool itself
// takes minutes to build, and this is the same engine.
type ruleTests struct {
	RuleFiles []string       `yaml:"rule_files"`
	Interval  model.Duration `yaml:"evaluation_interval"`
	Tests     []ruleTest     `yaml:"tests"`
}

type ruleTest struct {
	Name     string         `yaml:"name"`
	Interval model.Duration `yaml:"interval"`
	Series   []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Queries []queryTest `yaml:"promql_expr_test"`
}

type queryTest struct {
	Expression string         `yaml:"expr"`
	At         model.Duration `yaml:"eval_time"`
	Expected   []struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	} `yaml:"exp_samples"`
}

// Runs the tests in a file, whose rules are looked for from its folder.
func testRules(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var tests ruleTests
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&tests); err != nil {
		return err
	}
	for at, path := range tests.RuleFiles {
		tests.RuleFiles[at] = filepath.Join(filepath.Dir(file), path)
	}
	var problems []error
	for _, test := range tests.Tests {
		if err := test.run(&tests); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", test.Name, err))
		}
	}
	return errors.Join(problems...)
}

func (test *ruleTest) run(tests *ruleTests) error {
	load := fmt.Sprintf("load %s\n", test.Interval)
	for _, series := range test.Series {
		load += fmt.Sprintf("  %s %s\n", series.Series, series.Values)
	}
	loader, err := promqltest.NewLazyLoader(load, promqltest.LazyLoaderOpts{})
	if err != nil {
		return err
	}
	defer loader.Close()
	loader.SubqueryInterval = time.Duration(tests.Interval)
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage()),
		Appendable: loader.Storage(),
		Context:    context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(),
		Parser:     parser.NewParser(parser.Options{}),
	})
	groups, problems := manager.LoadGroups(time.Duration(tests.Interval), labels.EmptyLabels(), "", nil, false, tests.RuleFiles...)
	if problems != nil {
		return errors.Join(problems...)
	}
	for _, group := range groups {
		for _, rule := range group.AlertingRules() {
			// Or else what fires is written as no series, as before a Prometheus knows what fired.
			rule.SetRestored(true)
		}
	}
	if err := test.evaluate(loader, groups, time.Duration(tests.Interval)); err != nil {
		return err
	}
	for _, query := range test.Queries {
		problems = append(problems, query.run(loader))
	}
	return errors.Join(problems...)
}

// Goes from evaluation to evaluation, those in the order of their files as far as they name each other.
func (test *ruleTest) evaluate(loader *promqltest.LazyLoader, groups map[string]*rules.Group, interval time.Duration) error {
	end := model.Duration(0)
	for _, query := range test.Queries {
		end = max(end, query.At)
	}
	var problems []error
	for at := time.Duration(0); at <= time.Duration(end); at += interval {
		now := time.Unix(0, 0).UTC().Add(at)
		loader.WithSamplesTill(now, func(err error) {
			problems = append(problems, err)
			for _, name := range slices.Sorted(maps.Keys(groups)) {
				groups[name].Eval(loader.Context(), now)
				for _, rule := range groups[name].Rules() {
					problems = append(problems, rule.LastError())
				}
				problems = append(problems, unreadable(groups[name])...)
			}
		})
	}
	return errors.Join(problems...)
}

// Alerts whose texts could not be made.
func unreadable(group *rules.Group) []error {
	var problems []error
	for _, rule := range group.AlertingRules() {
		for _, alert := range rule.ActiveAlerts() {
			if text := alert.Annotations.String(); strings.Contains(text, "<error expanding") {
				problems = append(problems, fmt.Errorf("%s: %s", rule.Name(), text))
			}
		}
	}
	return problems
}

func (query *queryTest) run(loader *promqltest.LazyLoader) error {
	at := time.Unix(0, 0).UTC().Add(time.Duration(query.At))
	got, err := rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage())(loader.Context(), query.Expression, at)
	if err != nil {
		return err
	}
	found, expected := []string{}, []string{}
	for _, sample := range got {
		found = append(found, fmt.Sprintf("%s %g", sample.Metric, sample.F))
	}
	promql := parser.NewParser(parser.Options{})
	for _, sample := range query.Expected {
		series, err := promql.ParseMetric(sample.Labels)
		if err != nil {
			return err
		}
		expected = append(expected, fmt.Sprintf("%s %g", series, sample.Value))
	}
	slices.Sort(found)
	slices.Sort(expected)
	if !slices.Equal(found, expected) {
		return fmt.Errorf("%s at %s: expected\n  %s\nfound\n  %s", query.Expression, query.At,
			strings.Join(expected, "\n  "), strings.Join(found, "\n  "))
	}
	return nil
}
