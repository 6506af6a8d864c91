#!/usr/bin/env python3
"""Writes the dashboards into the folder beside it:

    deploy/mixin/dashboards.py [--check]      # --check only says whether they are current

Panels stand in the order of the data's way. A threshold is drawn where an alert of rules/ is."""

import json
import pathlib
import sys

from grafana import alerts, dashboard, heatmap, lines, row, stat, table

FOLDER = pathlib.Path(__file__).parent / "dashboards"
KEPT, JUDGED = 'verdict="kept"', 'verdict=~"kept|not_sampled"'
OURS = "memory|in_flight|queue|log_busy|log_quota|log_disk|log_timeout|log_stuck|log_failed|internal"
FOR_OURS, FOR_THEIRS = f'reason=~"{OURS}"', f'reason!~"{OURS}"'


def quantiles(metric, by="", of=""):
    """The median and the 99th percentile of a histogram."""
    labels = ", ".join(["le", *([by] if by else [])])
    name = f" {{{{{by}}}}}" if by else ""
    selected = f"{{{of}, }}" if of else "{}"
    return [(f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{selected}[])))", f"p{q * 100:.0f}{name}")
            for q in (0.5, 0.99)]


def per_second(metric, by="", of=""):
    selected = f"{{{of}, }}" if of else "{}"
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{selected}[]))"


def overview():
    return dashboard("overview", "Overview", "Is it well: what comes in, what is kept, what waits and what is lost.", [
        row("Is it well?"),
        stat("Spans in", "Spans acknowledged a second: they are durable.", per_second("wholetrace_gateway_spans_total")),
        stat("Traces kept", "Share of the decided traces that were kept.",
             f"{per_second('wholetrace_sampler_decisions_total', of=KEPT)} / "
             f"{per_second('wholetrace_sampler_decisions_total')}", "percentunit", decimals=1),
        stat("Requests refused", "Share of the requests that were refused for reasons of ours, not of the senders.",
             f"{per_second('wholetrace_gateway_requests_refused_total', of=FOR_OURS)} / "
             f"({per_second('wholetrace_gateway_requests_refused_total')} + {per_second('wholetrace_gateway_requests_total')})",
             "percentunit", [(0.006, "orange"), (0.0144, "red")], 2),
        stat("Oldest undelivered", "Age of the oldest record that is not finished. About `decision_wait` is normal.",
             "max(wholetrace_partition_unreleased_seconds{})", "s"),
        stat("Retention left", "Time until the log deletes the oldest record that is not finished; nothing where it deletes none.",
             "min(wholetrace_partition_retention_left_seconds{} != 0)", "s"),
        stat("Partitions at risk", "Partitions whose oldest unfinished record has used more than half of the log's retention.",
             "sum(wholetrace_partitions_at_risk{})", steps=[(1, "red")]),
        stat("Partitions owned", "Partitions that some sampler owns.", "sum(wholetrace_sampler_partitions{})"),
        stat("Exporters failing", "Exporters whose requests fail, counted on each process.",
             "sum(wholetrace_exporter_failing{})", steps=[(1, "orange")]),
        stat("Logs failed", "Processes that cannot write to the log.",
             'count(wholetrace_process_check_passes{check="log", } == 0) or vector(0)', steps=[(1, "red")]),
        stat("Processes", "Processes that answer.", "count(wholetrace_process_build_info{})"),
        stat("Versions", "Versions that run: more than one is normal during an upgrade only.",
             "count(count by (version) (wholetrace_process_build_info{}))", steps=[(2, "orange")]),
        stat("Sets of policies", "Different policies that samplers judge by: more than one is normal during a rollout only.",
             "count(count by (hash) (wholetrace_sampler_policies_info{} == 1))", steps=[(2, "orange")]),
        alerts("Alerts", "Those of this mixin that fire, or are about to."),
        row("From the senders to the backends"),
        lines("Flow of spans", "Each step of a span's way. What is received and read is the same but for the lag; kept and sent too.", [
            (per_second("wholetrace_gateway_spans_total"), "received"),
            (per_second("wholetrace_sampler_read_spans_total"), "read"),
            (per_second("wholetrace_sampler_released_spans_total", of=KEPT), "kept"),
            (per_second("wholetrace_exporter_sent_spans_total"), "sent"),
        ], "cps", 12),
        lines("Decisions", "Traces decided a second.", [(per_second("wholetrace_sampler_decisions_total", "verdict"), "{{verdict}}")],
              "cps", 12, stacked=True),
        lines("Age of what waits", "The worst partition: not read, not decided, not finished.", [
            ("max(wholetrace_partition_unread_seconds{})", "not read"),
            ("max(wholetrace_partition_undecided_seconds{})", "not decided"),
            ("max(wholetrace_partition_unreleased_seconds{})", "not finished"),
        ], "s", 12, [(180, "red")]),
        lines("Refusals", "Requests refused a second, by reason.",
              [(f"{per_second('wholetrace_gateway_requests_refused_total', 'reason')} > 0", "{{reason}}")], "cps", 12, stacked=True),
        row("Lost"),
        lines("Lost after it was acknowledged", "Each is worth a person's attention: the runbook of WholetraceSpansLost.", [
            ('sum(increase(wholetrace_sampler_gaps_total{topic="spans", }[]))', "gaps in the span log"),
            ("sum(increase(wholetrace_sampler_dropped_frames_total{}[]))", "frames deleted before their release"),
            ("sum(increase(wholetrace_exporter_lost_positions_total{}[]))", "positions lost to one exporter"),
            ('sum(increase(wholetrace_sampler_replaced_logs_total{topic="spans", }[]))', "partitions made anew"),
        ], steps=[(1, "red")]),
        lines("Not delivered", "Spans that a backend refused (dead letters) or dropped from what it took.", [
            ("sum by (exporter) (increase(wholetrace_exporter_refused_spans_total{}[]))", "refused by {{exporter}}"),
            ("sum by (exporter) (increase(wholetrace_exporter_rejected_spans_total{}[]))", "dropped by {{exporter}}"),
        ]),
        lines("Dead letters", "Records written to the dead letters, by reason.",
              [("sum by (reason) (increase(wholetrace_sampler_dead_letters_total{}[]))", "{{reason}}")]),
        row("Processes"),
        lines("Memory", "Memory taken, as a share of what may be taken.",
              [("process_resident_memory_bytes{} / wholetrace_process_memory_limit_bytes{}", "{{job}} {{instance}}")],
              "percentunit", 12, [(0.95, "orange")]),
        lines("Processors", "Processors that each process keeps busy.",
              [("rate(process_cpu_seconds_total{}[])", "{{job}} {{instance}}")], width=12),
        lines("Open files", "Files and connections, as a share of what may be open.",
              [("process_open_fds{} / process_max_fds{}", "{{job}} {{instance}}")], "percentunit", 12, [(0.9, "orange")]),
        lines("Certificates", "Time until the first certificate of each file expires that processes show to others.",
              [("min by (job, file) (wholetrace_process_certificate_expiration_timestamp_seconds{} - time())", "{{job}} {{file}}")], "s", 12),
        lines("Configuration", "Processes by the configuration that they run by, and those whose files cannot be used as they are.", [
            ('count_values by (job) ("hash", wholetrace_process_config_hash{})', "{{job}} {{hash}}"),
            ("sum by (job) (wholetrace_process_config_last_reload_successful{} == bool 0) > 0", "{{job}} refused"),
        ], width=12),
        lines("Budgets of memory", "Bytes on lease, as a share of each budget, the fullest process.",
              [("max by (job, budget) (wholetrace_budget_used_bytes{} / wholetrace_budget_limit_bytes{})", "{{job}} {{budget}}")],
              "percentunit", 12),
    ])


def gateway():
    return dashboard("gateway", "Gateway", "What senders send, what they are answered, and what the log makes of it.", [
        row("Traffic"),
        lines("Requests", "Requests served a second.", [(per_second("wholetrace_gateway_requests_total", "receiver"), "{{receiver}}")], "reqps"),
        lines("Spans", "Spans acknowledged a second.", [(per_second("wholetrace_gateway_spans_total", "receiver"), "{{receiver}}")], "cps"),
        lines("Bytes", "Bytes of bodies a second, as they came.",
              [(per_second("wholetrace_gateway_received_bytes_total", "receiver"), "{{receiver}}")], "Bps"),
        lines("Connections", "Open connections of senders on each process. A process with few was added later, or is balanced badly.",
              [("sum by (instance) (wholetrace_gateway_connections{})", "{{instance}}")]),
        lines("Connections accepted", "A high rate: senders make a connection for each request.",
              [(per_second("wholetrace_gateway_connections_total", "receiver"), "{{receiver}}")], "cps"),
        lines("Connections refused", "Connections closed before or without a request, and those that the system did not hand over.", [
            (f"{per_second('wholetrace_gateway_connections_refused_total', 'reason')} > 0", "{{reason}}"),
            (f"{per_second('wholetrace_gateway_accept_failures_total')} > 0", "not handed over"),
        ], "cps"),
        row("Answers"),
        lines("Time to answer", "From the head of a request to its answer: most of it is the log's.",
              quantiles("wholetrace_gateway_request_duration_seconds"), "s"),
        heatmap("Times to answer", "How many requests took how long.", per_second("wholetrace_gateway_request_duration_seconds_bucket", "le")),
        lines("Oldest request that waits", "Beyond a quarter of `limits.append_timeout` senders are refused.",
              [("max by (instance) (wholetrace_gateway_oldest_request_seconds{})", "{{instance}}")], "s"),
        lines("Refused for reasons of ours", "Requests refused a second: the log does not keep up, or memory is short.",
              [(f"{per_second('wholetrace_gateway_requests_refused_total', 'reason', FOR_OURS)} > 0", "{{reason}}")],
              "reqps", stacked=True),
        lines("Refused for reasons of the senders", "Requests refused a second: what they send cannot be taken, or who they are.",
              [(f"{per_second('wholetrace_gateway_requests_refused_total', 'reason', FOR_THEIRS)} > 0", "{{reason}}")],
              "reqps", stacked=True),
        lines("Spans refused alone", "Spans refused a second while the rest of their request was served.",
              [(f"{per_second('wholetrace_gateway_spans_refused_total', 'reason')} > 0", "{{reason}}")], "cps", stacked=True),
        lines("Given up by senders", "Requests that their senders gave up, by where they were. Many in `log`: raise the senders' timeouts.",
              [(f"{per_second('wholetrace_gateway_requests_cancelled_total', 'stage')} > 0", "{{stage}}")], "reqps"),
        lines("Datagrams lost", "Datagrams a second that the kernel threw away, its buffer being full.",
              [(f"{per_second('wholetrace_gateway_datagrams_lost_total', 'receiver')} > 0", "{{receiver}}")], "cps"),
        lines("Topics that are read", "Bytes of messages on their way from a receiver's topic into the log; 0 for long while it is paused.",
              [("sum by (receiver) (wholetrace_gateway_messages_in_flight_bytes{})", "{{receiver}}"),
               ("max by (receiver) (wholetrace_gateway_reading_paused{}) == 1", "{{receiver}} is paused")], "bytes"),
        row("Tenants"),
        lines("Spans", "Spans acknowledged a second.", [(per_second("wholetrace_gateway_tenant_spans_total", "tenant"), "{{tenant}}")], "cps", stacked=True),
        lines("Bytes", "Bytes of bodies a second, as they came.",
              [(per_second("wholetrace_gateway_tenant_received_bytes_total", "tenant"), "{{tenant}}")], "Bps", stacked=True),
        lines("Refused", "Requests refused a second. `tenant_rate`: it sends more than its `bytes_per_second`.",
              [(f"{per_second('wholetrace_gateway_tenant_requests_refused_total', 'tenant, reason')} > 0", "{{tenant}} {{reason}}")], "reqps"),
        row("Into the log"),
        lines("On the way", "Bytes of spans that gather for the log or are on their way into it; see `limits.log_in_flight`.",
              [("sum by (instance) (wholetrace_gateway_log_in_flight_bytes{})", "{{instance}}")], "bytes"),
        lines("Requests in a batch", "How many requests became durable together.", quantiles("wholetrace_gateway_batch_requests")),
        lines("Size of frames", "Larger ones cost less; `linger` and fewer partitions make them larger.", quantiles("wholetrace_gateway_frame_bytes"), "bytes"),
        lines("Stuck partitions", "Partitions that have not answered for half of `limits.append_timeout`.",
              [("max by (instance) (wholetrace_gateway_stuck_partitions{})", "{{instance}}")], steps=[(1, "orange")]),
        lines("Frames", "Frames handed to the log a second.", [(per_second("wholetrace_gateway_frames_total"), "frames")], "cps"),
        lines("Budgets of memory", "Bytes on lease, as a share of each budget, the fullest process.",
              [("max by (budget) (wholetrace_budget_used_bytes{} / wholetrace_budget_limit_bytes{})", "{{budget}}")], "percentunit"),
    ])


def sampler():
    return dashboard("sampler", "Sampler", "Who owns what, how far each is, what it holds in memory, and how backends take it.", [
        row("Ownership"),
        lines("Partitions owned", "The sum is the number of partitions of the log, but for a moment while one changes hands.",
              [("sum by (instance) (wholetrace_sampler_partitions{})", "{{instance}}")], stacked=True),
        lines("Time to take over", "Until a partition is read on, and until all has been read that was there.",
              quantiles("wholetrace_partition_takeover_seconds", "stage"), "s"),
        lines("Commits", "Commits a second.", [(per_second("wholetrace_sampler_commits_total", "instance"), "{{instance}}")], "cps"),
        row("Progress"),
        lines("Not read", "Age of the last record that was read ahead: the ten worst partitions.",
              [("topk(10, max by (partition) (wholetrace_partition_unread_seconds{}))", "{{partition}}")], "s", steps=[(60, "orange")]),
        lines("Not decided", "Age of the oldest trace that is not decided: the ten worst partitions. Up to `decision_wait` is normal.",
              [("topk(10, max by (partition) (wholetrace_partition_undecided_seconds{}))", "{{partition}}")], "s", steps=[(180, "red")]),
        lines("Not finished", "Age of the oldest record that is not finished: the ten worst partitions. About `decision_wait` is normal.",
              [("topk(10, max by (partition) (wholetrace_partition_unreleased_seconds{}))", "{{partition}}")], "s"),
        lines("Spans read", "Spans read ahead a second.", [(per_second("wholetrace_sampler_read_spans_total", "instance"), "{{instance}}")], "cps", stacked=True),
        lines("Spans released", "Spans released a second, by verdict. `undecided` ones should never be.",
              [(per_second("wholetrace_sampler_released_spans_total", "verdict"), "{{verdict}}")], "cps", stacked=True),
        lines("Late", "Spans a second that came after the decision about their trace, and roots whose trace was turned down without them.", [
            (per_second("wholetrace_sampler_late_spans_total"), "spans"),
            (per_second("wholetrace_sampler_late_roots_total"), "roots of traces that were turned down"),
        ], "cps"),
        row("Traces"),
        lines("Spans in a trace", "When it is decided. Of one trace of 64.", quantiles("wholetrace_sampler_trace_spans", "verdict")),
        lines("Bytes of a trace", "Its spans, when it is decided. Of one trace of 64.", quantiles("wholetrace_sampler_trace_bytes", "verdict"), "bytes"),
        lines("How long traces last", "From the first start to the last end. Of one trace of 64.",
              quantiles("wholetrace_sampler_trace_duration_seconds", "verdict"), "s"),
        lines("Time to the decision", "From a trace's first span in the log: `decision_wait`, and what the sampler is behind.",
              quantiles("wholetrace_sampler_decision_latency_seconds"), "s"),
        lines("How late spans come", "After the decision about their trace. What is a little late often would be in time with a longer `decision_wait`.",
              quantiles("wholetrace_sampler_late_span_age_seconds"), "s"),
        heatmap("Lateness", "How many late spans, of one trace of 64, came how long after the decision.",
                per_second("wholetrace_sampler_late_span_age_seconds_bucket", "le")),
        row("Memory"),
        lines("Open traces", "Traces that are not decided.", [("sum by (instance) (wholetrace_sampler_open_traces{})", "{{instance}}")]),
        lines("Bytes held", "Window: frames between reading and release. Tables: traces, decisions. Unfinished: kept and not delivered.", [
            ("sum(wholetrace_sampler_window_bytes{})", "window"), ("sum(wholetrace_sampler_table_bytes{})", "tables"),
            ("sum(wholetrace_sampler_unfinished_bytes{})", "unfinished"),
        ], "bytes", stacked=True),
        lines("Read again", "Share of the bytes that were read again, the window cache having had no room: raise `memory.window_cache`.",
              [(f"{per_second('wholetrace_sampler_refetched_bytes_total', 'instance')} / "
                f"{per_second('wholetrace_sampler_read_bytes_total', 'instance')}", "{{instance}}")], "percentunit"),
        lines("Decisions remembered", "For late spans, up to `decision_cache.max_entries`.",
              [("sum by (instance) (wholetrace_sampler_remembered_decisions{})", "{{instance}}")]),
        lines("Decisions forgotten early", "Decisions a second forgotten before `decision_cache.max_age`: late spans start new traces.",
              [(per_second("wholetrace_sampler_forgotten_decisions_total", "instance"), "{{instance}}")], "cps"),
        lines("Too many open traces", "Records a second that were read without opening traces, and are read again.",
              [(per_second("wholetrace_sampler_scanned_records_total", "instance"), "{{instance}}")], "cps"),
        row("Exporters"),
        lines("Spans sent", "Spans a second that backends have taken.", [(per_second("wholetrace_exporter_sent_spans_total", "exporter"), "{{exporter}}")], "cps"),
        lines("Time to answer", "From a request to its answer, failures included.",
              quantiles("wholetrace_exporter_request_duration_seconds", "exporter"), "s"),
        lines("Failed requests", "Requests a second that failed and lose nothing, by reason.",
              [(f"{per_second('wholetrace_exporter_failed_requests_total', 'exporter, reason')} > 0", "{{exporter}} {{reason}}")], "reqps"),
        lines("Queues", "Bytes that wait or are under way, as a share of what the queue may hold. Full for long: the backend is too slow or away.",
              [("max by (exporter) (wholetrace_exporter_queue_bytes{} / wholetrace_exporter_queue_capacity_bytes{})", "{{exporter}}")], "percentunit"),
        lines("Oldest undelivered", "For how long the queue has had the oldest of its spans. What a full queue does not take waits in the log.",
              [("time() - min by (exporter) (wholetrace_exporter_oldest_undelivered_timestamp_seconds{} > 0)", "{{exporter}}")], "s"),
        lines("Requests under way", "How many requests each backend has at a time.",
              [("sum by (exporter) (wholetrace_exporter_requests{})", "{{exporter}}")]),
        lines("Failing, or behind", "Processes whose requests to a backend fail; and partitions in which an exporter is far behind the others.", [
            ("sum by (exporter) (wholetrace_exporter_failing{})", "{{exporter}} fails"),
            ("sum(wholetrace_sampler_exporters_behind{})", "behind the others"),
        ]),
        row("What is odd"),
        lines("Records and spans", "Counts of what gateways of the fleet do not write, or clocks get wrong.", [
            ("sum(increase(wholetrace_sampler_foreign_frames_total{}[]))", "routed by another mapping"),
            ("sum by (reason) (increase(wholetrace_sampler_invalid_spans_total{}[]))", "spans, {{reason}}"),
            ("sum(increase(wholetrace_sampler_odd_span_times_total{}[]))", "spans with odd times"),
            ("sum by (reason) (increase(wholetrace_sampler_odd_append_times_total{}[]))", "append times, {{reason}}"),
        ], width=12),
        lines("Clock of the log", "How far it is ahead of a sampler's, or behind, at most.",
              [("max by (instance) (abs(wholetrace_partition_log_clock_skew_seconds{}))", "{{instance}}")], "s", 12, [(30, "orange")]),
    ])


def kafka():
    return dashboard("log", "Kafka and log", "The span log: what goes into it and out of it, how far it is read, and how it is.", [
        row("Kafka: written and read"),
        lines("Written", "Bytes a second that Kafka acknowledged, uncompressed.",
              [(per_second("wholetrace_kafka_written_bytes_total", "topic"), "{{topic}}")], "Bps"),
        lines("Read", "Bytes a second that were read, those read again included.",
              [(per_second("wholetrace_kafka_read_bytes_total", "topic"), "{{topic}}")], "Bps"),
        lines("Size of records", "Mean bytes of a written record.",
              [(f"{per_second('wholetrace_kafka_written_bytes_total', 'topic')} / "
                f"{per_second('wholetrace_kafka_written_records_total', 'topic')}", "{{topic}}")], "bytes"),
        lines("Time to acknowledge", "From accepting a record to Kafka's acknowledgement.",
              quantiles("wholetrace_kafka_delivery_duration_seconds", "topic"), "s"),
        lines("Waiting for Kafka", "Bytes accepted and not yet acknowledged.",
              [("sum by (instance) (wholetrace_kafka_waiting_bytes{})", "{{instance}}")], "bytes"),
        lines("Refusals", "Records a second that were not taken, by reason.",
              [(f"{per_second('wholetrace_kafka_refusals_total', 'topic, reason')} > 0", "{{topic}} {{reason}}")], "cps"),
        row("Kafka: lag"),
        lines("Records not read", "The ten partitions that most wait in.",
              [("topk(10, sum by (partition) (wholetrace_partition_unread_records{}))", "{{partition}}")]),
        lines("Records not finished", "The lag of the commit: never below the traffic of one `decision_wait`.",
              [("topk(10, sum by (partition) (wholetrace_partition_unreleased_records{}))", "{{partition}}")]),
        lines("Retention left", "Until the log deletes the oldest record that is not finished: the ten nearest partitions.",
              [("bottomk(10, min by (partition) (wholetrace_partition_retention_left_seconds{} != 0))", "{{partition}}")], "s"),
        row("Kafka: clients and group"),
        lines("Brokers connected", "The process with the fewest, by client.",
              [("min by (job, client) (wholetrace_kafka_connected_brokers{})", "{{job}} {{client}}")]),
        lines("Round trip", "Mean round trip to the slowest broker.",
              [("max by (job, client) (wholetrace_kafka_round_trip_seconds{})", "{{job}} {{client}}")], "s"),
        lines("Throttled, and problems", "How long brokers made a client wait at most (seconds); problems a second that clients reported.", [
            ("max by (job, client) (wholetrace_kafka_throttle_seconds{}) > 0", "{{job}} {{client}} throttled"),
            (f"{per_second('wholetrace_kafka_client_errors_total', 'job, client')} > 0", "{{job}} {{client}} problems"),
        ]),
        lines("Rebalances", "Changes of the partitions owned. `lost`: another owner may have been at work already.",
              [("sum by (change) (increase(wholetrace_kafka_rebalances_total{}[]))", "{{change}}")]),
        lines("Commits", "Checkpoints stored, or not, a second.", [(per_second("wholetrace_kafka_commits_total", "result"), "{{result}}")], "cps"),
        lines("Damage", "Positions that nobody can read, and records with headers that are not known.", [
            ("sum by (topic) (increase(wholetrace_kafka_damaged_positions_total{}[]))", "{{topic}} damaged"),
            ("sum by (topic) (increase(wholetrace_kafka_foreign_headers_total{}[]))", "{{topic}} headers"),
        ]),
        row("Log of a single machine"),
        lines("Quota", "Bytes in use, as a share of the log's `quota`.",
              [("wholetrace_log_used_bytes{} / wholetrace_log_quota_bytes{}", "{{instance}}")], "percentunit", steps=[(0.9, "orange")]),
        lines("Disk", "Bytes of the log's files, free bytes of the disk, and of these what the log leaves free (`min_free_disk`).", [
            ("wholetrace_log_disk_bytes{}", "files {{instance}}"), ("wholetrace_log_disk_free_bytes{}", "free {{instance}}"),
            ("wholetrace_log_min_free_disk_bytes{}", "left free {{instance}}"),
        ], "bytes"),
        lines("Written", "Bytes a second: as they came, and as they are stored.", [
            (per_second("wholetrace_log_payload_bytes_total", "topic"), "{{topic}}"),
            (per_second("wholetrace_log_stored_bytes_total", "topic"), "{{topic}} stored"),
        ], "Bps"),
        lines("Time to be durable", "From accepting a record to its being durable, and of that the disk's part.",
              quantiles("wholetrace_log_append_duration_seconds")
              + [(text, f"disk {name}") for text, name in quantiles("wholetrace_log_commit_duration_seconds")], "s"),
        lines("Refusals", "Records a second that were not taken, by reason.",
              [(f"{per_second('wholetrace_log_refusals_total', 'topic, reason')} > 0", "{{topic}} {{reason}}")], "cps"),
        lines("Frames read", "From the newest in memory, or from the disk.", [(per_second("wholetrace_log_reads_total", "from"), "{{from}}")], "cps"),
        lines("Damage", "Damaged records that were passed over: check the disk.",
              [("sum by (topic) (increase(wholetrace_log_damaged_records_total{}[]))", "{{topic}}")], steps=[(1, "red")]),
    ])


def policies():
    name = "wholetrace_sampler_policy"
    return dashboard("policies", "Policies and decisions", "What each policy keeps, what it costs, and what shadows would do.", [
        row("Decisions"),
        lines("Decisions", "Traces decided a second.", [(per_second("wholetrace_sampler_decisions_total", "verdict"), "{{verdict}}")], "cps", stacked=True),
        lines("Kept", "Share of the traces, and of the spans, that are kept.", [
            (f"{per_second('wholetrace_sampler_decisions_total', of=KEPT)} / {per_second('wholetrace_sampler_decisions_total')}", "traces"),
            (f"{per_second('wholetrace_sampler_released_spans_total', of=KEPT)} / "
             f"{per_second('wholetrace_sampler_released_spans_total', of=JUDGED)}", "spans"),
        ], "percentunit"),
        lines("Spans of a trace", "Mean spans of the traces that are read, and of those that are kept.", [
            (f"{per_second('wholetrace_sampler_read_spans_total')} / {per_second('wholetrace_sampler_traces_total')}", "read"),
            (f"{per_second('wholetrace_sampler_released_spans_total', of=KEPT)} / "
             f"{per_second('wholetrace_sampler_decisions_total', of=KEPT)}", "kept"),
        ]),
        row("By policy"),
        lines("Decided by", "Traces a second, by the first policy that decided so; `none` for those that no policy wanted.",
              [(per_second(f"{name}_decisions_total", "policy"), "{{policy}}")], "cps", stacked=True),
        lines("Spans kept by", "Spans a second, by the first policy that kept their trace.",
              [(per_second(f"{name}_kept_spans_total", "policy"), "{{policy}}")], "cps", stacked=True),
        lines("Bytes kept by", "Bytes a second, by the first policy that kept their trace: what each costs in the backend.",
              [(per_second(f"{name}_kept_bytes_total", "policy"), "{{policy}}")], "Bps", stacked=True),
        lines("Said yes", "Share of the traces that the policy was asked about and said yes to, shadows included.",
              [(f"{per_second(f'{name}_matches_total', 'policy')} / {per_second(f'{name}_evaluations_total', 'policy')}", "{{policy}}")], "percentunit"),
        lines("For this policy alone", "Traces a second that no other policy would have kept: what is saved without it.",
              [(per_second(f"{name}_sole_matches_total", "policy"), "{{policy}}")], "cps"),
        lines("Time of an evaluation", "What one evaluation takes on average, about.",
              [(f"{per_second(f'{name}_evaluation_nanoseconds_total', 'policy')} / {per_second(f'{name}_evaluations_total', 'policy')}", "{{policy}}")], "ns"),
        row("Shadows, budgets, mistakes"),
        lines("Shadows", "Traces a second that a shadow would have kept, or turned down, had it been obeyed.", [
            (f"{per_second(f'{name}_would_keep_total', 'policy')} > 0", "{{policy}} would keep"),
            (f"{per_second(f'{name}_would_drop_total', 'policy')} > 0", "{{policy}} would drop"),
        ], "cps"),
        lines("Budgets", "What asks for a budget a second, and what is kept of it.", [
            ("max by (policy) (wholetrace_sampler_budget_asked{})", "{{policy}} asked"),
            ("max by (policy) (wholetrace_sampler_budget_kept{})", "{{policy}} kept"),
        ]),
        lines("Probability", "With which a trace that asks for a budget is kept.",
              [("max by (policy) (wholetrace_sampler_budget_probability{})", "{{policy}}")], "percentunit"),
        lines("Failures", "Traces a second that a policy failed for, and conditions without an answer.", [
            (f"{per_second(f'{name}_errors_total', 'policy')} > 0", "{{policy}}"),
            (f"{per_second('wholetrace_sampler_condition_errors_total')} > 0", "conditions"),
        ], "cps"),
        lines("Reloads", "Reloads of the policies, by how they went.",
              [("sum by (outcome) (increase(wholetrace_process_policy_reloads_total{}[]))", "{{outcome}}")]),
        table("Policies of each sampler", "Samplers with the same hash decide alike.",
              "max by (instance, hash) (wholetrace_sampler_policies_info{} == 1)"),
    ])


def main():
    stale = []
    for make in (overview, gateway, sampler, kafka, policies):
        made = make()
        file = FOLDER / f"{made['uid'].removeprefix('wholetrace-')}.json"
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        if sys.argv[1:] != ["--check"]:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            stale.append(file.name)
    if stale:
        raise SystemExit(f"not current, deploy/mixin/dashboards.py writes them: {', '.join(stale)}")


main()
