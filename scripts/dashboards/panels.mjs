// What the Grafana dashboards show: one row a panel, [title, unit, description, { legend: PromQL }, options].
// $run and $instance are the dashboards' variables; $__rate_interval is Grafana's.

const run = '{run=~"$run"}';
const coordinator = 'job="fedrot-coordinator"';
const silo = '{job="fedrot-silo", instance=~"$instance"}';

export const DASHBOARDS = [
  {
    uid: 'fedrot-runs',
    title: 'fedrot: runs',
    description: 'What the runs learn, how fast, and how well the silos agree.',
    variables: { run: 'label_values(fedrot_run_round, run)' },
    panels: [
      ['Round', 'none', 'Round that a run is in.', { '{{run}}': `fedrot_run_round${run}` }, { stat: true }],
      [
        'Accuracy',
        'percentunit',
        'Of the newest scored version.',
        { '{{run}}': `fedrot_evaluation_accuracy_ratio${run}` },
        { stat: true },
      ],
      ['Silos', 'none', 'By role and connection.', { '{{role}} {{state}}': 'fedrot_silos' }, { stat: true }],
      ['Runs', 'none', 'By phase or outcome.', { '{{state}}': 'fedrot_runs' }, { stat: true }],
      [
        'Accuracy by time',
        'percentunit',
        'Accuracy of the newest scored version.',
        { '{{run}}': `fedrot_evaluation_accuracy_ratio${run}` },
      ],
      ['Loss by time', 'none', 'Mean loss in nats.', { '{{run}}': `fedrot_evaluation_loss_nats${run}` }],
      [
        'Aggregation error',
        'percentunit',
        'Distance from the exact mean of the updates, relative to it; fedit is plain averaging of the same updates.',
        { '{{run}} {{method}}': `fedrot_aggregation_error_ratio${run}` },
      ],
      [
        'Misalignment',
        'percentunit',
        'How far the bases of the updates were turned: mean over modules and silos.',
        { '{{run}}': `fedrot_misalignment_ratio${run}` },
      ],
      [
        'Norm of the adapter',
        'none',
        'Euclidean norm of all values.',
        { '{{run}}': `fedrot_adapter_norm${run}` },
      ],
      [
        'Duration of a round',
        's',
        'From the first assignment to publication.',
        {
          median: `histogram_quantile(0.5, sum by (le) (rate(fedrot_round_duration_seconds_bucket${run}[$__rate_interval])))`,
          '95 %': `histogram_quantile(0.95, sum by (le) (rate(fedrot_round_duration_seconds_bucket${run}[$__rate_interval])))`,
        },
      ],
      [
        'Time by phase',
        's',
        'Mean time that a run stays in a phase.',
        {
          '{{phase}}': `sum by (phase) (rate(fedrot_phase_duration_seconds_sum${run}[$__rate_interval])) / sum by (phase) (rate(fedrot_phase_duration_seconds_count${run}[$__rate_interval]))`,
        },
      ],
      [
        'Rounds published',
        'none',
        'In the last hour.',
        { '{{run}}': `increase(fedrot_rounds_total${run}[1h])` },
      ],
    ],
  },
  {
    uid: 'fedrot-coordinator',
    title: 'fedrot: coordinator',
    description: 'Traffic, failures, disk and the process itself.',
    variables: {},
    panels: [
      [
        'Updates by outcome',
        'ops',
        'Accepted, duplicate, or the code of the error.',
        { '{{outcome}}': 'sum by (outcome) (rate(fedrot_updates_total[$__rate_interval]))' },
      ],
      [
        'Failed tasks',
        'none',
        'On silos, by code, in the last hour.',
        { '{{code}}': 'sum by (code) (increase(fedrot_task_failures_total[1h])) or vector(0)' },
      ],
      [
        'Failed aggregations',
        'none',
        'By code, in the last hour.',
        { '{{code}}': 'sum by (code) (increase(fedrot_aggregation_failures_total[1h])) or vector(0)' },
      ],
      [
        'Calls',
        'ops',
        'gRPC calls by method.',
        { '{{method}}': 'sum by (method) (rate(fedrot_grpc_calls_total[$__rate_interval]))' },
      ],
      [
        'Calls that failed',
        'ops',
        'By code.',
        {
          '{{code}}':
            'sum by (code) (rate(fedrot_grpc_calls_total{code!="ok"}[$__rate_interval])) or vector(0)',
        },
      ],
      [
        'Received',
        'Bps',
        'Payload bytes by kind.',
        { '{{kind}}': 'sum by (kind) (rate(fedrot_received_bytes_total[$__rate_interval]))' },
      ],
      [
        'Sent',
        'Bps',
        'Payload bytes by kind.',
        { '{{kind}}': 'sum by (kind) (rate(fedrot_sent_bytes_total[$__rate_interval]))' },
      ],
      [
        'Queue',
        'none',
        'Uploads and aggregations under way.',
        { uploads: 'fedrot_uploads_in_progress', aggregations: 'fedrot_aggregations_in_progress' },
      ],
      ['Data folder', 'bytes', 'What it holds.', { '{{kind}}': 'fedrot_storage_bytes' }],
      [
        'Disk',
        'bytes',
        'Of the data folder.',
        { free: 'fedrot_disk_free_bytes', size: 'fedrot_disk_size_bytes' },
      ],
      [
        'Memory',
        'bytes',
        'Of the process.',
        {
          resident: `process_resident_memory_bytes{${coordinator}}`,
          heap: `nodejs_heap_size_used_bytes{${coordinator}}`,
        },
      ],
      [
        'Processor',
        'none',
        'Cores that the process uses.',
        { cores: `rate(process_cpu_seconds_total{${coordinator}}[$__rate_interval])` },
      ],
      [
        'Lag of the event loop',
        's',
        'How late the process answers.',
        {
          median: `nodejs_eventloop_lag_p50_seconds{${coordinator}}`,
          '99 %': `nodejs_eventloop_lag_p99_seconds{${coordinator}}`,
        },
      ],
      [
        'Webhooks',
        'none',
        'By event and outcome, in the last hour.',
        {
          '{{event}} {{outcome}}':
            'sum by (event, outcome) (increase(fedrot_webhooks_total[1h])) or vector(0)',
        },
      ],
    ],
  },
  {
    uid: 'fedrot-silos',
    title: 'fedrot: silos',
    description: 'For silo administrators: speed, loss and memory of their daemons.',
    variables: { instance: 'label_values(fedrot_silo_info, instance)' },
    panels: [
      [
        'Connected',
        'none',
        '1 while the coordinator answers.',
        { '{{instance}}': `fedrot_silo_connected${silo}` },
        { stat: true },
      ],
      [
        'Examples',
        'none',
        'That the silo works with.',
        { '{{instance}}': `fedrot_silo_examples${silo}` },
        { stat: true },
      ],
      [
        'Tokens per second',
        'none',
        'Padding not counted.',
        { '{{instance}} {{kind}}': `rate(fedrot_silo_tokens_total${silo}[$__rate_interval])` },
      ],
      [
        'Steps per second',
        'none',
        'Optimizer steps and scored batches.',
        { '{{instance}} {{kind}}': `rate(fedrot_silo_steps_total${silo}[$__rate_interval])` },
      ],
      [
        'Loss',
        'none',
        'Of the newest step, nats.',
        { '{{instance}} {{kind}}': `fedrot_silo_loss_nats${silo}` },
      ],
      [
        'Time of a step',
        's',
        'Median.',
        {
          '{{instance}}': `histogram_quantile(0.5, sum by (instance, le) (rate(fedrot_silo_step_duration_seconds_bucket${silo}[$__rate_interval])))`,
        },
      ],
      [
        'Tasks',
        'none',
        'By outcome, in the last hour.',
        {
          '{{instance}} {{outcome}}': `sum by (instance, outcome) (increase(fedrot_silo_tasks_total${silo}[1h]))`,
        },
      ],
      [
        'Phase',
        'none',
        'Of the task under way.',
        { '{{instance}} {{phase}}': `fedrot_silo_task_phase${silo}` },
      ],
      ['Memory', 'bytes', 'Of the process.', { '{{instance}}': `process_resident_memory_bytes${silo}` }],
      [
        'Processor',
        'none',
        'Cores that the process uses.',
        { '{{instance}}': `rate(process_cpu_seconds_total${silo}[$__rate_interval])` },
      ],
      [
        'Sent',
        'Bps',
        'Updates.',
        { '{{instance}}': `rate(fedrot_silo_sent_bytes_total${silo}[$__rate_interval])` },
      ],
      [
        'Clock',
        's',
        "The coordinator's clock minus the silo's.",
        { '{{instance}}': `fedrot_silo_clock_offset_seconds${silo}` },
      ],
    ],
  },
];
