package main

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

const namespace = "wholetrace"

// What several files of values come to, later ones over earlier ones.
func merged(files []string) (map[string]interface{}, error) {
	values := map[string]interface{}{}
	for i := len(files) - 1; i >= 0; i-- {
		read, err := chartutil.ReadValuesFile(files[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", files[i], err)
		}
		values = chartutil.MergeTables(values, read)
	}
	return values, nil
}

// As `helm lint --strict` does, which fails for warnings too.
func lintChart(chart string, files []string) error {
	values, err := merged(files)
	if err != nil {
		return err
	}
	linter := lint.AllWithKubeVersion(chart, values, namespace, nil)
	var said []string
	for _, message := range linter.Messages {
		if message.Severity >= support.WarningSev {
			said = append(said, message.Error())
		}
	}
	if len(said) > 0 {
		return fmt.Errorf("%s", strings.Join(said, "\n"))
	}
	return nil
}

// As `helm template` does, for a Kubernetes of this version: all objects, and last the notes as a comment.
func renderChart(chart, release, version string, files []string) error {
	values, err := merged(files)
	if err != nil {
		return err
	}
	loaded, err := loader.Load(chart)
	if err != nil {
		return err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	kubernetes, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return err
	}
	capabilities.KubeVersion = *kubernetes
	if !chartutil.IsCompatibleRange(loaded.Metadata.KubeVersion, version) {
		return fmt.Errorf("the chart wants Kubernetes %s", loaded.Metadata.KubeVersion)
	}
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(loaded, values, options, capabilities)
	if err != nil {
		return err
	}
	rendered, err := engine.Render(loaded, all)
	if err != nil {
		return err
	}
	paths := make([]string, 0, len(rendered))
	for path := range rendered {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	for _, path := range paths {
		text := strings.TrimSpace(rendered[path])
		switch {
		case text == "" || strings.HasSuffix(path, ".tpl"):
		case filepath.Base(path) == "NOTES.txt":
			defer fmt.Printf("---\n# %s\n", strings.ReplaceAll(text, "\n", "\n# "))
		default:
			fmt.Printf("---\n%s\n", strings.TrimPrefix(text, "---\n"))
		}
	}
	return nil
}
