/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Draws the plot.
 *
 * A panel has a line for each result, with a bar for each allocator. The bars begin at ratio 1, the
 * result of the panel's base, and go left (less, better) or right on a logarithmic axis. Times of
 * operations are on the left; latencies and, below them, workloads that only kinds have, on the
 * right.
 */
#include "plot.h"

#include <math.h>
#include <stdio.h>

#include "report.h"

#define PLOT_MARGIN       32.0
#define PLOT_HEAD         132.0 /* title, machine, legend */
#define PLOT_PANEL_WIDTH  780.0
#define PLOT_LABEL_WIDTH  232.0 /* of the results' names, in a panel */
#define PLOT_RIGHT_SPACE  56.0  /* for the value after the longest bar */
#define PLOT_PANEL_HEAD   34.0
#define PLOT_PANEL_FOOT   66.0
#define PLOT_BAR          8.0
#define PLOT_BAR_GAP      1.5
#define PLOT_GROUP_GAP    9.0
#define PLOT_LEGEND_STEP  132.0
#define PLOT_LEGEND_BOX   12.0
#define PLOT_LEAST        0.04 /* smaller ratios are clipped; their values are printed */
#define PLOT_MOST         40.0
#define PLOT_LEAST_NEEDED 0.5 /* every axis shows at least these ratios */
#define PLOT_MOST_NEEDED  2.0
#define PLOT_FEW          10.0 /* below: two decimals ... */
#define PLOT_VERY_FEW     0.1  /* ... or three */

enum plot_panel_kind { PLOT_TIMES, PLOT_LATENCIES, PLOT_KINDS, PLOT_PANELS };

struct plot_panel {
    enum plot_panel_kind kind;
    const char *title;
    const char *axis;
    int base;    /* the allocator that the others are compared with */
    double x, y; /* upper left corner */
    double low, high;
    int lines;
    int bars; /* on each line */
};

struct plot {
    FILE *file;
    const struct runner_row *rows;
    int count;
};

/* -- Placement of blocks ----------------------------------------------------------------------- */

static bool plot_has(const struct plot_panel *panel, const struct runner_row *row)
{
    enum plot_panel_kind kind = PLOT_TIMES;

    if (row->workload->kinds_only)
        kind = PLOT_KINDS;
    else if (row->workload->run == latency_percentiles)
        kind = PLOT_LATENCIES;
    return kind == panel->kind;
}

/* Returns whether the allocator has a bar in the panel. */
static bool plot_shows(const struct plot_panel *panel, int allocator)
{
    if (allocator == panel->base || !allocator_table[allocator].found)
        return false;
    return panel->kind != PLOT_KINDS || allocator_table[allocator].kind;
}

static double plot_line_height(const struct plot_panel *panel)
{
    return panel->bars * (PLOT_BAR + PLOT_BAR_GAP) + PLOT_GROUP_GAP;
}

static double plot_panel_height(const struct plot_panel *panel)
{
    if (panel->lines == 0)
        return 0;
    return PLOT_PANEL_HEAD + panel->lines * plot_line_height(panel) + PLOT_PANEL_FOOT;
}

/* Counts lines and bars, and sets the axis. */
static void plot_measure(const struct plot *plot, struct plot_panel *panel)
{
    panel->low = PLOT_LEAST_NEEDED;
    panel->high = PLOT_MOST_NEEDED;
    for (int i = 0; i < ALLOCATOR_COUNT; i++)
        panel->bars += plot_shows(panel, i);
    for (int i = 0; i < plot->count; i++) {
        const struct runner_row *row = &plot->rows[i];

        for (int metric = 0; plot_has(panel, row) && row->workload->metrics[metric].name != NULL;
             metric++) {
            panel->lines++;
            for (int j = 0; j < ALLOCATOR_COUNT; j++) {
                double ratio = report_ratio(row, metric, j, panel->base);

                if (!plot_shows(panel, j) || ratio < 0)
                    continue;
                panel->low = fmin(panel->low, fmax(ratio, PLOT_LEAST));
                panel->high = fmax(panel->high, fmin(ratio, PLOT_MOST));
            }
        }
    }
    if (panel->bars == 0)
        panel->lines = 0;
}

static double plot_position(const struct plot_panel *panel, double ratio)
{
    double left = panel->x + PLOT_LABEL_WIDTH + PLOT_RIGHT_SPACE;
    double right = panel->x + PLOT_PANEL_WIDTH - PLOT_RIGHT_SPACE;
    double bounded = fmin(fmax(ratio, panel->low), panel->high);

    return left + (right - left) * log(bounded / panel->low) / log(panel->high / panel->low);
}

/* -- Drawing ----------------------------------------------------------------------------------- */

static void plot_put_escaped(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", file);
        else if (*text == '&')
            fputs("&amp;", file);
        else
            fputc(*text, file);
    }
}

static void plot_text(const struct plot *plot, double x, double y, const char *class,
                      const char *text)
{
    fprintf(plot->file, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    plot_put_escaped(plot->file, text);
    fputs("</text>\n", plot->file);
}

static void plot_box(const struct plot *plot, double x, double y, double width, double height,
                     const char *colour)
{
    fprintf(plot->file,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y,
            fmax(width, 1), height, colour);
}

static void plot_bar(const struct plot *plot, const struct plot_panel *panel,
                     const struct runner_row *row, int metric, int allocator, double y)
{
    const struct allocator *of = &allocator_table[allocator];
    double ratio = report_ratio(row, metric, allocator, panel->base);
    double one = plot_position(panel, 1);
    double text_y = y + PLOT_BAR;
    bool ours = allocator == ALLOCATOR_OURS;
    char text[REPORT_LABEL_SIZE];

    if (ratio < 0) {
        enum runner_state state = row->cells[allocator].state;

        if (state != RUNNER_MEASURED)
            plot_text(plot, one + 4, text_y, "value bad", runner_state_text(state));
        return;
    }
    double end = plot_position(panel, ratio);

    plot_box(plot, fmin(one, end), y, fabs(end - one), PLOT_BAR, of->colour);
    snprintf(text, sizeof(text), "%.*f",
             ratio < PLOT_VERY_FEW ? 3
             : ratio < PLOT_FEW    ? 2
                                   : 0,
             ratio);
    if (end < one)
        plot_text(plot, end - 4, text_y, ours ? "value ours left" : "value left", text);
    else
        plot_text(plot, end + 4, text_y, ours ? "value ours" : "value", text);
}

static void plot_axis(const struct plot *plot, const struct plot_panel *panel, double top,
                      double bottom)
{
    static const double ticks[] = {0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50};
    char text[REPORT_LABEL_SIZE];

    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        double x = plot_position(panel, ticks[i]);

        if (ticks[i] < panel->low || ticks[i] > panel->high)
            continue;
        fprintf(plot->file, "<path d=\"M%.1f %.1fV%.1f\" class=\"%s\"/>\n", x, top, bottom,
                i == 4 ? "one" : "grid");
        snprintf(text, sizeof(text), "%g", ticks[i]);
        plot_text(plot, x, bottom + 15, "tick", text);
    }
    snprintf(text, sizeof(text), "%s = 1", allocator_table[panel->base].name);
    plot_text(plot, plot_position(panel, 1), top - 4, "tick base", text);
    plot_text(plot, (plot_position(panel, panel->low) + plot_position(panel, panel->high)) / 2,
              bottom + 34, "axis", panel->axis);
}

static void plot_row(const struct plot *plot, const struct plot_panel *panel,
                     const struct runner_row *row, int metric, double y)
{
    char label[REPORT_LABEL_SIZE];
    double middle = y + panel->bars * (PLOT_BAR + PLOT_BAR_GAP) / 2;
    double bar_y = y;

    report_label(label, row, metric);
    plot_text(plot, panel->x + PLOT_LABEL_WIDTH - 6, middle + 4, "label", label);
    for (int i = 0; i < ALLOCATOR_COUNT; i++) {
        if (!plot_shows(panel, i))
            continue;
        plot_bar(plot, panel, row, metric, i, bar_y);
        bar_y += PLOT_BAR + PLOT_BAR_GAP;
    }
}

static void plot_draw_panel(const struct plot *plot, const struct plot_panel *panel)
{
    double height = plot_line_height(panel);
    double top = panel->y + PLOT_PANEL_HEAD;
    double y = top;

    plot_text(plot, panel->x, panel->y + 10, "heading", panel->title);
    for (int i = 0; i < panel->lines; i += 2)
        plot_box(plot, panel->x, top + i * height, PLOT_PANEL_WIDTH, height, "#f6f7f9");
    plot_axis(plot, panel, top, top + panel->lines * height);
    for (int i = 0; i < plot->count; i++) {
        const struct runner_row *row = &plot->rows[i];

        for (int metric = 0; plot_has(panel, row) && row->workload->metrics[metric].name != NULL;
             metric++) {
            plot_row(plot, panel, row, metric, y + PLOT_GROUP_GAP / 2);
            y += height;
        }
    }
}

static void plot_head(const struct plot *plot, const struct machine *machine, double width,
                      double height)
{
    char text[4 * MACHINE_TEXT_SIZE + REPORT_LABEL_SIZE];
    double x = PLOT_MARGIN;

    fprintf(
        plot->file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
        "viewBox=\"0 0 %.0f %.0f\">\n<style>\n"
        "text{font-family:Helvetica,Arial,'DejaVu Sans',sans-serif;font-size:12px;fill:#1f2937}\n"
        ".title{font-size:22px;font-weight:bold}.heading{font-size:15px;font-weight:bold}\n"
        ".note{fill:#4b5563}.label{text-anchor:end}.tick,.axis{text-anchor:middle}\n"
        ".tick{font-size:11px;fill:#4b5563}.base{font-weight:bold;fill:#1f2937}\n"
        ".value{font-size:9px;fill:#4b5563}.left{text-anchor:end}\n"
        ".ours{font-weight:bold;fill:#0b4f4a}.bad{fill:#b91c1c;font-weight:bold}\n"
        ".grid{stroke:#d7dbe0;fill:none}.one{stroke:#1f2937;stroke-width:1.5;fill:none}\n"
        "</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
        width, height, width, height);
    plot_text(plot, PLOT_MARGIN, 44, "title", "Memory allocators compared: less is better");
    snprintf(text, sizeof(text), "%s; %s; kinds on %s; %s", machine->processor, machine->system,
             machine->file_system, machine->date);
    plot_text(plot, PLOT_MARGIN, 66, "note", text);
    for (int i = 0; i < ALLOCATOR_COUNT; i++) {
        if (!allocator_table[i].found || i == ALLOCATOR_GLIBC)
            continue;
        plot_box(plot, x, 84, PLOT_LEGEND_BOX, PLOT_LEGEND_BOX, allocator_table[i].colour);
        plot_text(plot, x + PLOT_LEGEND_BOX + 6, 95, "", allocator_table[i].name);
        x += PLOT_LEGEND_STEP;
    }
}

/* Places the panels in two columns, and draws them. */
static void plot_draw(const struct plot *plot, const struct machine *machine)
{
    struct plot_panel panels[PLOT_PANELS] = {
        {PLOT_TIMES, "Time of an operation", "ratio to glibc, logarithmic; less is better",
         ALLOCATOR_GLIBC, PLOT_MARGIN, PLOT_HEAD, 0, 0, 0, 0},
        {PLOT_LATENCIES, "Latency of single calls", "ratio to glibc, logarithmic; less is better",
         ALLOCATOR_GLIBC, PLOT_MARGIN, PLOT_HEAD, 0, 0, 0, 0},
        {PLOT_KINDS, "What only kinds do: time, unusable space, DRAM for metadata",
         "ratio to memkind 1.14, logarithmic; less is better", ALLOCATOR_MEMKIND, PLOT_MARGIN,
         PLOT_HEAD, 0, 0, 0, 0},
    };

    for (int i = 0; i < PLOT_PANELS; i++)
        plot_measure(plot, &panels[i]);
    double left = plot_panel_height(&panels[PLOT_TIMES]);
    double right = plot_panel_height(&panels[PLOT_LATENCIES]);
    double column = left > 0 ? PLOT_PANEL_WIDTH + PLOT_MARGIN : 0;

    panels[PLOT_LATENCIES].x += column;
    panels[PLOT_KINDS].x += column;
    panels[PLOT_KINDS].y += right;
    right += plot_panel_height(&panels[PLOT_KINDS]);
    double width = PLOT_MARGIN + column + (right > 0 ? PLOT_PANEL_WIDTH + PLOT_MARGIN : 0);

    plot_head(plot, machine, fmax(width, PLOT_PANEL_WIDTH + 2 * PLOT_MARGIN),
              PLOT_HEAD + fmax(left, right));
    for (int i = 0; i < PLOT_PANELS; i++) {
        if (panels[i].lines > 0)
            plot_draw_panel(plot, &panels[i]);
    }
    fputs("</svg>\n", plot->file);
}

bool plot_svg(const char *path, const struct machine *machine, const struct runner_row *rows,
              int count)
{
    struct plot plot = {.file = fopen(path, "we"), .rows = rows, .count = count};

    if (plot.file == NULL)
        return false;
    plot_draw(&plot, machine);
    bool written = ferror(plot.file) == 0;

    return fclose(plot.file) == 0 && written;
}
