use std::time::Duration;

use proptest::prelude::*;

use super::*;

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(pattern: &str, time_zone: &str) -> Plan {
    Plan::Cron(Cron { pattern: pattern.into(), time_zone: time_zone.into() })
}

fn every(interval_ms: u64, anchor: &str) -> Plan {
    Plan::Every(Every { interval_ms, anchor: Some(time(anchor)) })
}

/// The instants after a moment.
#[track_caller]
fn check(plan: &Plan, after: &str, expected: &[&str]) {
    let timetable = Timetable::of(plan).unwrap();
    let instants = timetable.from(Timestamp(time(after).millis() + 1)).take(expected.len());
    assert_eq!(instants.map(|at| at.to_string().replace(".000Z", "Z")).collect::<Vec<_>>(), expected);
}

#[test]
fn five_fields_start_at_the_minute() {
    check(&cron("*/20 9 * * *", "UTC"), "2026-01-01T08:59:59.999Z", &["2026-01-01T09:00:00Z", "2026-01-01T09:20:00Z"]);
}

#[test]
fn six_fields_start_with_the_second() {
    check(&cron("*/30 0 9 * * *", "UTC"), "2026-01-01T09:00:00Z", &["2026-01-01T09:00:30Z", "2026-01-02T09:00:00Z"]);
}

#[test]
fn days_and_months_have_names_and_ranges() {
    let expected = ["2026-01-02T08:00:00Z", "2026-01-05T08:00:00Z", "2027-01-01T08:00:00Z"];
    check(&cron("0 9 1-5 jan MON-fri", BERLIN), "2026-01-01T23:00:00Z", &["2026-01-02T08:00:00Z"]);
    check(&cron("0 9 1-5 JAN +MON-FRI", BERLIN), "2026-01-01T08:00:00Z", &expected);
}

#[test]
fn the_last_day_of_the_month_is_l() {
    check(&cron("0 0 L * *", "UTC"), "2028-01-31T00:00:00Z", &["2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"]);
}

#[test]
fn the_second_tuesday_and_the_last_friday_have_a_sign() {
    check(&cron("0 0 * * TUE#2", "UTC"), "2026-01-01T00:00:00Z", &["2026-01-13T00:00:00Z", "2026-02-10T00:00:00Z"]);
    check(&cron("0 0 * * FRI#L", "UTC"), "2026-01-01T00:00:00Z", &["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"]);
}

#[test]
fn the_time_of_day_follows_the_time_zone_through_the_year() {
    check(&cron("0 9 1 1,7 *", BERLIN), "2025-12-31T00:00:00Z", &["2026-01-01T08:00:00Z", "2026-07-01T07:00:00Z"]);
    check(&cron("0 9 1 1,7 *", NEW_YORK), "2025-12-31T00:00:00Z", &["2026-01-01T14:00:00Z", "2026-07-01T13:00:00Z"]);
}

#[test]
fn a_time_of_day_that_does_not_exist_runs_right_after_the_gap() {
    let (berlin, new_york) = (cron("30 2 * * *", BERLIN), cron("30 2 * * *", NEW_YORK));
    check(&berlin, "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    check(&new_york, "2026-03-07T12:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]);
}

#[test]
fn a_time_of_day_that_comes_twice_runs_once() {
    let (berlin, new_york) = (cron("30 2 * * *", BERLIN), cron("30 1 * * *", NEW_YORK));
    check(&berlin, "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    check(&new_york, "2026-10-31T12:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
}

#[test]
fn a_pattern_with_many_times_keeps_its_distance_through_both_changes() {
    let plan = cron("*/30 * * * *", BERLIN);
    for (start, change) in [("2026-03-29T00:00:00Z", 4), ("2026-10-24T23:00:00Z", 6)] {
        let timetable = Timetable::of(&plan).unwrap();
        let instants: Vec<Timestamp> = timetable.from(time(start)).take(change + 4).collect();
        assert!(instants.windows(2).all(|pair| pair[1].since(pair[0]) == Duration::from_secs(1_800)), "{instants:?}");
    }
}

#[test]
fn an_interval_is_counted_from_its_anchor() {
    let plan = every(90_000, "2026-01-01T00:00:00Z");
    check(&plan, "2025-01-01T00:00:00Z", &["2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"]);
    check(&plan, "2026-01-01T00:01:29.999Z", &["2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z"]);
}

#[test]
fn a_one_off_comes_once() {
    let timetable = Timetable::of(&Plan::At(Timestamp(10))).unwrap();
    assert_eq!(timetable.from(Timestamp(10)).collect::<Vec<_>>(), [Timestamp(10)]);
    assert_eq!(timetable.after(Timestamp(10)), None);
}

const NOW: Timestamp = Timestamp(1_767_225_600_000); // 2026-01-01T00:00:00Z

fn draft(plan: Plan) -> ScheduleDraft {
    ScheduleDraft::new("nightly", plan, Draft::new("Tidy up"))
}

#[track_caller]
fn refused(draft: &ScheduleDraft, message: &str) {
    assert_eq!(draft.validate(NOW).unwrap_err().to_string(), message);
}

#[test]
fn a_plan_that_cannot_be_is_refused_by_field() {
    assert!(draft(cron("@daily", "UTC")).validate(NOW).is_ok());
    let zone = "plan.cron.timeZone: expected an IANA name such as Europe/Berlin";
    refused(&draft(cron("@daily", "Middle/Earth")), zone);
    refused(&draft(every(999, "2026-01-01T00:00:00Z")), "plan.every.intervalMs: expected 1000 to 31622400000, got 999");
    let never = "plan: expected an instant after 2026-01-01T00:00:00.000Z, there is none";
    refused(&draft(Plan::At(NOW)), never);
    refused(&draft(cron("0 0 30 2 *", "UTC")), never);
    refused(&draft(cron("0 0 0 1 1 * 2020", "UTC")), never);
    for pattern in ["", "* * *", "61 * * * *", "0 9 * * XYZ", "* * * * * * * *", &"1,".repeat(200)] {
        let message = draft(cron(pattern, "UTC")).validate(NOW).unwrap_err().to_string();
        assert!(message.starts_with("plan.cron.pattern: "), "{message}");
    }
}

#[test]
fn what_names_one_task_is_refused_in_a_template() {
    let template = Draft { idempotency_key: Some("k".into()), ..Draft::new("x") };
    let schedule = ScheduleDraft { template, ..draft(cron("@daily", "UTC")) };
    refused(&schedule, "template.idempotencyKey: a template is used for many tasks: leave it out");
    let title = ScheduleDraft { template: Draft::new(""), ..draft(cron("@daily", "UTC")) };
    refused(&title, "template.title: expected 1 to 500 characters, got none that can be seen");
}

#[test]
fn a_plan_is_an_object_with_one_field() {
    let plans = [cron("@daily", BERLIN), every(1_000, "2026-01-01T00:00:00Z"), Plan::At(NOW)];
    let json = [
        r#"{"cron":{"pattern":"@daily","timeZone":"Europe/Berlin"}}"#,
        r#"{"every":{"intervalMs":1000,"anchor":"2026-01-01T00:00:00.000Z"}}"#,
        r#"{"at":"2026-01-01T00:00:00.000Z"}"#,
    ];
    for (plan, json) in plans.into_iter().zip(json) {
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
        assert_eq!(serde_json::from_str::<Plan>(json).unwrap(), plan);
    }
    assert!(serde_json::from_str::<Plan>(r#"{"cron":{"pattern":"@daily","zone":"UTC"}}"#).is_err());
}

fn schedule(draft: ScheduleDraft, now: &str) -> Schedule {
    let now = time(now);
    draft.validate(now).unwrap();
    draft.into_schedule(OrgId::LOCAL, Actor::User("alice".into()), Label::USER, now)
}

fn hourly() -> ScheduleDraft {
    draft(cron("@hourly", "UTC"))
}

fn minutes(due: &[Timestamp]) -> Vec<String> {
    due.iter().map(|at| at.to_string()[11..16].to_owned()).collect()
}

#[test]
fn before_its_time_nothing_is_due() {
    let schedule = schedule(hourly(), "2026-01-01T00:30:00Z");
    let due = schedule.due(time("2026-01-01T00:59:59.999Z"));
    assert_eq!(due, Due { next: Some(time("2026-01-01T01:00:00Z")), ..Due::default() });
}

#[test]
fn at_its_time_one_instant_is_due() {
    let due = schedule(hourly(), "2026-01-01T00:30:00Z").due(time("2026-01-01T01:00:00Z"));
    assert_eq!((due.missed, minutes(&due.fire)), (None, vec!["01:00".into()]));
    assert_eq!(due.next, Some(time("2026-01-01T02:00:00Z")));
}

#[test]
fn after_an_outage_the_newest_instant_is_caught_up_with_and_the_others_are_missed() {
    let due = schedule(hourly(), "2026-01-01T00:30:00Z").due(time("2026-01-01T05:10:00Z"));
    assert_eq!(minutes(&due.fire), ["05:00"]);
    let missed = Missed { from: time("2026-01-01T01:00:00Z"), until: time("2026-01-01T05:00:00Z") };
    assert_eq!((due.missed, due.next), (Some(missed), Some(time("2026-01-01T06:00:00Z"))));
}

#[test]
fn as_many_are_caught_up_with_as_the_window_and_the_number_allow() {
    let now = time("2026-01-01T08:10:00Z");
    let window = |hours: u64| ScheduleDraft { catch_up_window_ms: hours * 3_600_000, catch_up_max: 3, ..hourly() };
    let due = |hours| schedule(window(hours), "2026-01-01T00:30:00Z").due(now);
    assert_eq!(minutes(&due(100).fire), ["06:00", "07:00", "08:00"]);
    assert_eq!(minutes(&due(2).fire), ["07:00", "08:00"]);
}

#[test]
fn what_is_later_than_the_window_is_only_missed() {
    let short = ScheduleDraft { catch_up_window_ms: 60_000, ..hourly() };
    let due = schedule(short, "2026-01-01T00:30:00Z").due(time("2026-01-01T01:10:00Z"));
    let missed = Missed { from: time("2026-01-01T01:00:00Z"), until: time("2026-01-01T02:00:00Z") };
    let next = Some(time("2026-01-01T02:00:00Z"));
    assert_eq!(due, Due { missed: Some(missed), fire: vec![], next });
}

#[test]
fn a_year_of_seconds_is_caught_up_with_at_once() {
    let secondly = ScheduleDraft { catch_up_window_ms: WINDOW_MS_MAX, ..draft(cron("* * * * * *", "UTC")) };
    let due = schedule(secondly, "2026-01-01T00:00:00Z").due(time("2027-01-01T00:00:00Z"));
    assert_eq!(due.fire, [time("2027-01-01T00:00:00Z")]);
    assert_eq!(due.missed.unwrap().from, time("2026-01-01T00:00:01Z"));
}

#[test]
fn a_one_off_is_never_too_late_and_comes_once() {
    let mut schedule = schedule(draft(Plan::At(time("2026-01-02T00:00:00Z"))), "2026-01-01T00:00:00Z");
    let due = schedule.due(time("2027-01-01T00:00:00Z"));
    assert_eq!(due, Due { missed: None, fire: vec![time("2026-01-02T00:00:00Z")], next: None });
    schedule.start(time("2027-01-01T00:00:00Z"));
    assert_eq!(schedule.next_instant, Some(time("2026-01-02T00:00:00Z")));
    schedule.last_instant = schedule.next_instant;
    schedule.start(time("2027-01-01T00:00:00Z"));
    assert_eq!(schedule.next_at, None);
}

#[test]
fn what_falls_into_a_rest_is_not_caught_up_with() {
    let mut schedule = schedule(hourly(), "2026-01-01T00:30:00Z");
    schedule.start(time("2026-01-01T09:30:00Z"));
    assert_eq!(schedule.next_instant, Some(time("2026-01-01T10:00:00Z")));
}

#[test]
fn an_interval_without_an_anchor_starts_at_creation() {
    let plan = Plan::Every(Every { interval_ms: 60_000, anchor: None });
    let schedule = schedule(draft(plan), "2026-01-01T00:00:07Z");
    assert_eq!(schedule.next_at, Some(time("2026-01-01T00:01:07Z")));
}

#[test]
fn jitter_is_repeatable_and_differs_between_schedules() {
    let jittered = || schedule(ScheduleDraft { jitter_ms: 600_000, ..hourly() }, "2026-01-01T00:30:00Z");
    let (one, other) = (jittered(), jittered());
    assert_eq!(one.next_at.unwrap(), one.due_at(one.next_instant.unwrap()));
    assert!((0..600_000).contains(&(one.next_at.unwrap().millis() - one.next_instant.unwrap().millis())));
    assert_ne!(one.next_at, other.next_at);
}

fn any_plan() -> impl Strategy<Value = Plan> {
    const PATTERNS: [&str; 6] =
        ["*/7 * * * * *", "* * * * *", "0 */3 * * *", "30 2 * * *", "15 1,2,3 * * *", "0 0 L * MON#1"];
    const ZONES: [&str; 5] = ["UTC", BERLIN, NEW_YORK, "Australia/Lord_Howe", "Asia/Kathmandu"];
    prop_oneof![
        (proptest::sample::select(&PATTERNS[..]), proptest::sample::select(&ZONES[..])).prop_map(|(p, z)| cron(p, z)),
        (1_000u64..10_000_000).prop_map(|interval_ms| every(interval_ms, "2026-01-01T00:00:00.123Z")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the moments are spread at which somebody looks: all instants are dealt with in order, none twice.
    #[test]
    fn each_instant_is_dealt_with_exactly_once(
        plan in any_plan(),
        start in 0i64..366 * 24 * 3_600_000,
        steps in proptest::collection::vec(1i64..40_000_000, 1..12),
        jitter_ms in prop_oneof![Just(0u64), 0u64..JITTER_MS_MAX],
        catch_up_max in 1u32..5,
    ) {
        let mut now = Timestamp(NOW.millis() + start);
        let draft = ScheduleDraft { jitter_ms, catch_up_max, ..draft(plan) };
        let mut schedule = draft.into_schedule(OrgId::LOCAL, Actor::system("test"), Label::USER, now);
        let mut dealt_with = schedule.next_instant.unwrap();
        for step in steps {
            now = Timestamp(now.millis() + step);
            let due = schedule.due(now);
            if let Some(missed) = due.missed {
                prop_assert_eq!(missed.from, dealt_with);
                dealt_with = missed.until;
            }
            prop_assert!(due.fire.len() <= catch_up_max as usize);
            let timetable = Timetable::of(&schedule.plan).unwrap();
            for instant in due.fire {
                prop_assert_eq!(instant, dealt_with);
                prop_assert!(schedule.due_at(instant) <= now);
                dealt_with = timetable.after(instant).unwrap();
            }
            prop_assert_eq!(due.next, Some(dealt_with));
            prop_assert!(schedule.due_at(dealt_with) > now);
            schedule.continue_at(due.next);
        }
    }

    #[test]
    fn instants_rise_and_the_next_one_is_after(plan in any_plan(), start in 0i64..366 * 24 * 3_600_000) {
        let timetable = Timetable::of(&plan).unwrap();
        let start = Timestamp(NOW.millis() + start);
        let instants: Vec<Timestamp> = timetable.from(start).take(20).collect();
        prop_assert!(instants.iter().all(|instant| *instant >= start));
        prop_assert!(instants.is_sorted_by(|a, b| a < b));
    }
}
