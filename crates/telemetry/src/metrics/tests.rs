use super::*;

fn new() -> Metrics {
    Metrics::new(Redaction::none())
}

#[test]
fn a_page_has_help_types_labels_and_buckets() {
    let metrics = new();
    let descriptions = [
        Description::counter("tasks_created_total", "Tasks created."),
        Description::gauge("sessions_active", "Sessions at work."),
        Description::histogram("claim_seconds", "Time from ready to claimed."),
        Description::histogram("body_bytes", "Size of request bodies."),
    ];
    metrics.describe(&descriptions).unwrap();
    metrics.counter("tasks_created_total", &[("priority", "high".into())]).add(3);
    let active = metrics.gauge("sessions_active", &[]);
    active.set(5.0);
    active.add(-2.0);
    metrics.histogram("claim_seconds", &[]).record_duration(Duration::from_millis(3));
    metrics.histogram("body_bytes", &[]).record(5000.0);
    metrics.run_upkeep();
    let page = metrics.render();
    for line in [
        "# HELP tasks_created_total Tasks created.",
        "# TYPE tasks_created_total counter",
        "tasks_created_total{priority=\"high\"} 3",
        "sessions_active 3",
        "# TYPE claim_seconds histogram",
        "claim_seconds_bucket{le=\"0.0025\"} 0",
        "claim_seconds_bucket{le=\"0.005\"} 1",
        "claim_seconds_count 1",
        "body_bytes_bucket{le=\"4096\"} 0",
        "body_bytes_bucket{le=\"16384\"} 1",
    ] {
        assert!(page.lines().any(|other| other == line), "no {line} in\n{page}");
    }
}

#[test]
fn names_keep_to_the_rules() {
    for (description, rule) in [
        (Description::counter("tasks", ""), "names of counters end in _total"),
        (Description::gauge("tasks_total", ""), "only names of counters end in _total"),
        (Description::histogram("latency_ms", ""), "names of histograms end in _seconds or _bytes"),
        (Description::gauge("Tasks-Open", ""), "names are lowercase letters, digits and `_`"),
    ] {
        let error = new().describe(&[description]).unwrap_err().to_string();
        assert_eq!(error, format!("metric {}: {rule}", description.name));
    }
}

#[test]
fn labels_without_bound_end_up_under_other() {
    let metrics = new();
    for id in 0..LABEL_SETS_MAX + 50 {
        metrics.counter("calls_total", &[("id", id.to_string().into())]).add(1);
    }
    metrics.counter("calls_total", &[("id", "0".into())]).add(1);
    let page = metrics.render();
    assert!(page.contains("calls_total{id=\"other\"} 50\n") && page.contains("calls_total{id=\"0\"} 2\n"));
    assert_eq!(page.matches("calls_total{").count(), LABEL_SETS_MAX + 1);
}

#[test]
fn a_page_goes_through_redaction() {
    let metrics = Metrics::new(Redaction::new(|text| text.replace("hunter2", "[redacted]").into()));
    metrics.counter("calls_total", &[("who", "hunter2".into())]).add(1);
    assert!(metrics.render().contains("who=\"[redacted]\""));
}
