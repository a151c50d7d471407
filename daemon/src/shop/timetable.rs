//! The timetable of one resource: which of its runs fall due when, in its time zone and after the clock was set.
//!
//! Cron expressions are meant on the wall clock, which in most zones skips an hour in spring and repeats one in
//! autumn (Lord Howe: half an hour; Apia once skipped a day). An expression that names every hour of the day means
//! an interval, so it goes on through both passages of a repeated hour and nothing of it is lost in a skipped one.
//! Any other expression names times of the day: each is one run, at the first passage, or at the end of the gap that
//! skips it.

use chrono::{
    DateTime, MappedLocalTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::{GapInfo, Tz};
use cron::TimeUnitSpec as _;
use jiff::SignedDuration;
use schemas::{RunKind, Timestamp};

use crate::config::Schedules;

/// How far the clock may be set back without quick runs beginning again from there. A correction by NTP must not
/// repeat a run; a clock that was wrong by more must not stop them.
const QUICK_SET_BACK_MAX: SignedDuration = SignedDuration::from_mins(10);
/// The same for full runs: a night's run is not repeated because an hour is.
const FULL_SET_BACK_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Within so many hours no zone changes its offset twice.
const STRIDE_HOURS: i64 = 12;

/// When a resource's runs are due, and up to when that was looked at.
pub(crate) struct Timetable {
    plan: Schedules,
    zone: Tz,
    quick_seen: Timestamp,
    full_seen: Timestamp,
}

impl Timetable {
    /// Everything that falls due after `now`.
    pub(crate) fn new(plan: Schedules, zone: Tz, now: Timestamp) -> Self {
        Self {
            plan,
            zone,
            quick_seen: now,
            full_seen: now,
        }
    }

    /// When the next run is due; `None` when there is never one.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let full = first(self.plan.full.as_ref(), self.zone, self.full_seen);
        let quick = first(self.plan.quick.as_ref(), self.zone, self.quick_seen);
        full.into_iter().chain(quick).min()
    }

    /// What fell due since the last call: one run, however many were missed; a full one where both kinds were.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<RunKind> {
        seen_again(&mut self.quick_seen, now, QUICK_SET_BACK_MAX);
        seen_again(&mut self.full_seen, now, FULL_SET_BACK_MAX);
        let full = self.missed_full(self.full_seen, now);
        let quick =
            first(self.plan.quick.as_ref(), self.zone, self.quick_seen).is_some_and(|at| at <= now);
        self.quick_seen = self.quick_seen.max(now);
        self.full_seen = self.full_seen.max(now);
        if full {
            Some(RunKind::Full)
        } else {
            quick.then_some(RunKind::Quick)
        }
    }

    /// Whether a full run fell due after one time and up to another.
    pub(crate) fn missed_full(&self, after: Timestamp, until: Timestamp) -> bool {
        first(self.plan.full.as_ref(), self.zone, after).is_some_and(|at| at <= until)
    }
}

/// A clock that was set back further than that begins anew.
fn seen_again(seen: &mut Timestamp, now: Timestamp, set_back_max: SignedDuration) {
    if seen.duration_since(now) > set_back_max {
        *seen = now;
    }
}

/// The first time of a schedule after another time.
fn first(schedule: Option<&cron::Schedule>, zone: Tz, after: Timestamp) -> Option<Timestamp> {
    let (schedule, after) = (schedule?, DateTime::from_timestamp(after.as_second(), 0)?);
    let names_every_hour = schedule.hours().count() == 24;
    let at = if names_every_hour {
        by_interval(schedule, zone, after)
    } else {
        by_day(schedule, zone, after)
    };
    Timestamp::from_second(at?.timestamp()).ok()
}

/// The first instant at which the wall clock shows a time of the schedule.
fn by_interval(schedule: &cron::Schedule, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (mut from, mut offset) = (after, offset(zone, after));
    loop {
        let at = wall_times(schedule, (from + offset).naive_utc())
            .next()?
            .and_utc()
            - offset;
        let Some(changed) = offset_change(zone, offset, from, at) else {
            return Some(at);
        };
        // The second before it, by the clock as it is set then: a run may be due at the change itself.
        (from, offset) = (changed - TimeDelta::seconds(1), self::offset(zone, changed));
    }
}

/// The first time of the day that is due after that: each at its first passage, or at the end of the gap it falls into.
fn by_day(schedule: &cron::Schedule, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let instant = |wall: NaiveDateTime| match zone.from_local_datetime(&wall) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => Some(at.to_utc()),
        MappedLocalTime::None => Some(GapInfo::new(&wall, &zone)?.end?.to_utc()),
    };
    // During the second passage of an hour, its times are over.
    wall_times(schedule, after.with_timezone(&zone).naive_local())
        .filter_map(instant)
        .find(|at| *at > after)
}

/// The times of a schedule after that time, as a wall clock that is never set would show them.
fn wall_times(
    schedule: &cron::Schedule,
    after: NaiveDateTime,
) -> impl Iterator<Item = NaiveDateTime> {
    schedule
        .after_owned(after.and_utc())
        .map(|at| at.naive_utc())
}

/// When the wall clock is set for the first time after one instant and up to another.
fn offset_change(
    zone: Tz,
    before: TimeDelta,
    mut from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    while from < until {
        let mut changed = until.min(from + TimeDelta::hours(STRIDE_HOURS));
        if offset(zone, changed) == before {
            from = changed;
            continue;
        }
        while changed - from > TimeDelta::seconds(1) {
            let middle = from + TimeDelta::seconds((changed - from).num_seconds() / 2);
            let bound = if offset(zone, middle) == before {
                &mut from
            } else {
                &mut changed
            };
            *bound = middle;
        }
        return Some(changed);
    }
    None
}

/// By how much the wall clock is ahead of UTC.
fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(
        zone.offset_from_utc_datetime(&at.naive_utc())
            .fix()
            .local_minus_utc()
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use chrono::{Days, Timelike as _};
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(text: &str) -> cron::Schedule {
        cron::Schedule::from_str(text).unwrap()
    }

    /// The first times of a schedule after another time.
    fn times(schedule: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
        let schedule = cron(schedule);
        let next = |after: &Timestamp| first(Some(&schedule), zone, *after);
        std::iter::successors(next(&time(after)), next)
            .take(count)
            .map(|at| at.to_string())
            .collect()
    }

    #[test]
    fn what_fell_due_meanwhile_is_run_once_and_full_where_both_were() {
        let due = |after, until| {
            Timetable::new(Schedules::default(), Tz::UTC, time(after)).due(time(until))
        };
        assert_eq!(due("2026-11-20T10:01:00Z", "2026-11-20T10:04:59Z"), None);
        assert_eq!(
            due("2026-11-20T10:01:00Z", "2026-11-20T10:05:00.002Z"),
            Some(RunKind::Quick)
        );
        assert_eq!(
            due("2026-11-20T10:05:00.002Z", "2026-11-20T10:05:03Z"),
            None
        );
        assert_eq!(
            due("2026-11-20T02:50:00Z", "2026-11-20T03:10:00Z"),
            Some(RunKind::Full)
        );
    }

    #[test]
    fn what_never_runs_is_never_due() {
        let never = Schedules {
            quick: None,
            full: None,
        };
        let mut never = Timetable::new(never, Tz::UTC, time("2026-11-20T00:00:00Z"));
        assert_eq!(
            (never.next(), never.due(time("2027-11-20T00:00:00Z"))),
            (None, None)
        );
    }

    #[test]
    fn a_time_of_the_day_is_due_once_where_the_clocks_are_also_when_they_change() {
        let nightly = |zone, after| times("0 30 2 * * *", zone, after, 2);
        assert_eq!(
            nightly(Tz::Europe__Berlin, "2027-10-30T12:00:00Z"),
            ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"],
            "the hour from two to three is repeated"
        );
        assert_eq!(
            nightly(Tz::Europe__Berlin, "2027-10-31T01:10:02Z"),
            ["2027-11-01T01:30:00Z", "2027-11-02T01:30:00Z"],
            "begun in the second passage"
        );
        assert_eq!(
            nightly(Tz::Europe__Berlin, "2027-03-27T12:00:00Z"),
            ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"],
            "the hour from two to three is skipped"
        );
        assert_eq!(
            times("0 15 0 * * *", Tz::Africa__Cairo, "2026-04-23T12:00:00Z", 2),
            ["2026-04-23T22:00:00Z", "2026-04-24T21:15:00Z"],
            "the day begins at one o'clock"
        );
        assert_eq!(
            nightly(Tz::Australia__Lord_Howe, "2026-10-03T12:00:00Z"),
            ["2026-10-03T15:30:00Z", "2026-10-04T15:30:00Z"],
            "half an hour is skipped, and ends at half past two"
        );
        assert_eq!(
            nightly(Tz::Pacific__Apia, "2011-12-29T00:00:00Z"),
            ["2011-12-29T12:30:00Z", "2011-12-30T10:00:00Z"],
            "the 30th is skipped; its run is due when the 31st begins"
        );
        assert_eq!(
            nightly(Tz::Pacific__Apia, "2011-12-30T10:00:00Z")[0],
            "2011-12-30T12:30:00Z"
        );
    }

    #[test]
    fn an_interval_goes_on_through_hours_that_are_skipped_or_repeated() {
        for (zone, after) in [
            (Tz::Europe__Berlin, "2027-10-31T00:50:00Z"),
            (Tz::Europe__Berlin, "2027-10-31T01:10:02Z"),
            (Tz::Europe__Berlin, "2027-03-28T00:50:00Z"),
            (Tz::Africa__Cairo, "2026-10-29T20:50:00Z"),
            (Tz::Australia__Lord_Howe, "2026-04-04T14:50:00Z"),
            (Tz::Pacific__Apia, "2011-12-30T09:50:00Z"),
        ] {
            let found = times("0 */5 * * * *", zone, after, 20);
            let seconds: Vec<i64> = found.iter().map(|at| time(at).as_second()).collect();
            assert!(
                seconds[0] - time(after).as_second() <= 300,
                "{zone}: {found:?}"
            );
            assert!(
                seconds.windows(2).all(|pair| pair[1] - pair[0] == 300),
                "{zone}: {found:?}"
            );
        }
    }

    #[test]
    fn a_clock_that_is_set_loses_no_run_and_repeats_none() {
        let plan = Schedules {
            quick: Some(cron("0 */5 * * * *")),
            full: Some(cron("0 30 2 * * *")),
        };
        let mut table = Timetable::new(plan, Tz::UTC, time("2026-11-20T02:26:00Z"));
        assert_eq!(
            table.due(time("2026-11-20T02:30:00.1Z")),
            Some(RunKind::Full)
        );
        assert_eq!(
            table.due(time("2026-11-20T02:29:59Z")),
            None,
            "corrected by a second"
        );
        assert_eq!(
            table.due(time("2026-11-20T02:30:01Z")),
            None,
            "it was run already"
        );
        assert_eq!(
            table.due(time("2026-11-20T02:35:00Z")),
            Some(RunKind::Quick)
        );
        assert_eq!(
            table.due(time("2026-11-20T01:35:01Z")),
            None,
            "set back by an hour"
        );
        assert_eq!(
            table.next(),
            Some(time("2026-11-20T01:40:00Z")),
            "quick runs go on"
        );
        assert_eq!(
            table.due(time("2026-11-20T01:40:00Z")),
            Some(RunKind::Quick)
        );
        assert_eq!(
            table.due(time("2026-11-20T02:30:00Z")),
            Some(RunKind::Quick),
            "the full one was run"
        );
        assert_eq!(
            table.due(time("2026-11-21T04:00:00Z")),
            Some(RunKind::Full),
            "set forward over the next one"
        );
        assert_eq!(table.due(time("2026-11-21T04:01:00Z")), None, "once");
        assert_eq!(
            table.due(time("2026-01-01T02:00:00Z")),
            None,
            "set back by most of a year"
        );
        assert_eq!(
            table.due(time("2026-01-01T02:30:00Z")),
            Some(RunKind::Full),
            "and nothing waits for that year"
        );
    }

    fn any_zone() -> impl Strategy<Value = Tz> {
        const NOTABLE: &[Tz] = &[
            Tz::Europe__Berlin,
            Tz::Africa__Cairo,
            Tz::Africa__Casablanca,
            Tz::Australia__Lord_Howe,
            Tz::Pacific__Apia,
            Tz::America__New_York,
        ];
        prop_oneof![
            prop::sample::select(NOTABLE),
            prop::sample::select(&chrono_tz::TZ_VARIANTS[..])
        ]
    }

    /// The wall clock's midnights of so many days from that one on.
    fn days(year: i32, ordinal: u32, count: u64) -> Vec<NaiveDateTime> {
        let first = chrono::NaiveDate::from_yo_opt(year, ordinal).unwrap();
        (0..count)
            .map(|day| (first + Days::new(day)).and_time(chrono::NaiveTime::MIN))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn every_day_of_every_zone_has_its_run_and_only_one(
            zone in any_zone(), year in 2000..2037_i32, ordinal in 1..=365_u32, hour in 0..24_u32, minute in 0..60_u32
        ) {
            // Looked for minute by minute: the first at which the wall clock shows that time or, on that day, a later one.
            let run_of = |midnight: NaiveDateTime| {
                let wanted = midnight + TimeDelta::minutes(i64::from(hour * 60 + minute));
                let early = wanted.and_utc() - TimeDelta::hours(40);
                let mut minutes = (0..80 * 60).map(|minute| early + TimeDelta::minutes(minute));
                minutes.find(|at| at.with_timezone(&zone).naive_local() >= wanted).unwrap()
            };
            let midnights = days(year, ordinal, 3);
            let mut expected: Vec<i64> = midnights.into_iter().map(|day| run_of(day).timestamp()).collect();
            expected.dedup();
            let schedule = cron(&format!("0 {minute} {hour} * * *"));
            let mut after = Timestamp::from_second(expected[0] - 1).unwrap();
            for at in expected {
                after = first(Some(&schedule), zone, after).unwrap();
                prop_assert_eq!(after.as_second(), at);
            }
        }

        #[test]
        fn an_interval_is_due_whenever_the_wall_clock_shows_it(
            zone in any_zone(), year in 2000..2037_i32, ordinal in 1..=365_u32, every in prop::sample::select(&[5_u32, 15, 60][..])
        ) {
            let schedule = cron(&if every == 60 { "0 7 * * * *".to_owned() } else { format!("0 */{every} * * * *") });
            let from = days(year, ordinal, 1)[0].and_utc();
            let mut after = Timestamp::from_second(from.timestamp()).unwrap();
            for minute in 1..=36 * 60 {
                let at = from + TimeDelta::minutes(minute);
                let shown = at.with_timezone(&zone).minute();
                if (every == 60 && shown == 7) || (every < 60 && shown.is_multiple_of(every)) {
                    after = first(Some(&schedule), zone, after).unwrap();
                    prop_assert_eq!(after.as_second(), at.timestamp());
                }
            }
        }
    }
}
