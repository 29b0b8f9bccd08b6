// Command table prints the medians of the reports that run.sh left in a folder, and the ratios to those of the floor or
// the bare handler.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"carillon/internal/loadgen"
)

func main() {
	if err := run(os.Args[1], os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// columns are the columns of the table.
var columns = []struct {
	name string
	of   func(loadgen.Report) float64
}{
	{"us/delivery", func(r loadgen.Report) float64 { return r.DeliveryCPUMicros }},
	{"us/publish", func(r loadgen.Report) float64 { return r.PublishCPUMicros }},
	{"switches/publish", func(r loadgen.Report) float64 { return r.PublishSwitches }},
	{"publish p50 ms", func(r loadgen.Report) float64 { return r.PublishLatency.P50 }},
	{"p50 ms", func(r loadgen.Report) float64 { return r.Latency.P50 }},
	{"p99 ms", func(r loadgen.Report) float64 { return r.Latency.P99 }},
	{"delivered/s", func(r loadgen.Report) float64 { return r.DeliveryRate }},
	{"lost", func(r loadgen.Report) float64 { return float64(r.Lost) }},
	{"KiB/stream", func(r loadgen.Report) float64 { return r.StreamBytes / 1024 }},
	{"us/open", func(r loadgen.Report) float64 { return r.OpenCPUMicros }},
	{"opened/s", func(r loadgen.Report) float64 { return r.OpenRate }},
	{"idle %", func(r loadgen.Report) float64 { return r.IdleCPUPercent }},
}

func run(folder string, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.ours"))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(w, "case\t\t")
	for _, c := range columns {
		_, _ = fmt.Fprintf(w, "%s\t", c.name)
	}
	_, _ = fmt.Fprintln(w)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".ours")
		ours, err := read(file)
		if err != nil {
			return err
		}
		row(w, name, "carillon", func(i int) string { return short(median(ours, columns[i].of)) })
		for _, other := range []string{"floor", "bare"} {
			if err := compare(w, ours, filepath.Join(folder, name+"."+other), other); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

// compare writes the medians of the reports of another server, and the ratios of ours to them. It writes nothing if the
// file does not exist.
func compare(w io.Writer, ours []loadgen.Report, file, who string) error {
	base, err := read(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	row(w, "", who, func(i int) string { return short(median(base, columns[i].of)) })
	row(w, "", "ratio", func(i int) string {
		if of := columns[i].of; median(ours, of) != 0 && median(base, of) != 0 {
			return fmt.Sprintf("%.2f", median(ours, of)/median(base, of))
		}
		return "-"
	})
	return nil
}

func row(w io.Writer, name, who string, cell func(int) string) {
	_, _ = fmt.Fprintf(w, "%s\t%s\t", name, who)
	for i := range columns {
		_, _ = fmt.Fprintf(w, "%s\t", cell(i))
	}
	_, _ = fmt.Fprintln(w)
}

func read(file string) ([]loadgen.Report, error) {
	written, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var reports []loadgen.Report
	for decoder := json.NewDecoder(bytes.NewReader(written)); ; {
		var r loadgen.Report
		err := decoder.Decode(&r)
		if errors.Is(err, io.EOF) {
			return reports, nil
		}
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
}

func median(reports []loadgen.Report, of func(loadgen.Report) float64) float64 {
	values := make([]float64, 0, len(reports))
	for _, r := range reports {
		values = append(values, of(r))
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func short(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
