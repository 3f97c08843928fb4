//! Looks in a row at processes that come, work and go.

use std::collections::BTreeMap;

use super::counts::{Counts, Memory};
use super::groups::{Group, Groups};
use super::matcher::{MatcherArguments, Matchers};
use super::read::{Id, Reading, Static, Thread};
use super::tracker::{Rules, Source, Tracker};
use super::users::Users;
use super::{Exporter, ProcessArguments};
use crate::exporter::Gather;
use crate::families::render;

const PLAIN: Rules = Rules { children: false, recheck: false };
/// Of the first look; processes start before it unless they say so.
const NOW: f64 = 1_000.0;

#[derive(Clone)]
struct Fake {
    pid: u32,
    comm: &'static str,
    parent: u32,
    start: u32,
    reading: Reading,
}

fn process(pid: u32, comm: &'static str) -> Fake {
    Fake { pid, comm, parent: 0, start: 1, reading: Reading::default() }
}

fn counts(number: u64) -> Counts {
    Counts { user: number, system: number, read_bytes: number, voluntary: number, ..Counts::default() }
}

impl Fake {
    fn used(mut self, number: u64) -> Self {
        self.reading.counts = counts(number);
        self
    }

    fn child_of(mut self, parent: u32) -> Self {
        self.parent = parent;
        self
    }

    fn started(mut self, start: u32) -> Self {
        self.start = start;
        self
    }

    fn files(mut self, open: u64, limit: u64) -> Self {
        (self.reading.open_files, self.reading.file_limit) = (Some(open), limit);
        self
    }

    fn threads(mut self, threads: &[(u32, &str, u64)]) -> Self {
        let thread = |&(number, name, used): &(u32, &str, u64)| Thread {
            id: (number, 0),
            name: name.to_owned(),
            counts: counts(used),
            ..Thread::default()
        };
        self.reading.threads = threads.iter().map(thread).collect();
        self
    }
}

struct Fakes(Vec<Fake>);

impl Fakes {
    fn find(&self, id: Id) -> Option<&Fake> {
        self.0.iter().find(|fake| (fake.pid, u64::from(fake.start)) == id)
    }
}

impl Source for Fakes {
    fn ids(&mut self) -> Result<Vec<Id>, String> {
        Ok(self.0.iter().map(|fake| (fake.pid, u64::from(fake.start))).collect())
    }

    fn look(&mut self, id: Id) -> Result<Option<Reading>, String> {
        Ok(self.find(id).map(|fake| fake.reading.clone()))
    }

    fn describe(&mut self, id: Id) -> Result<Option<Static>, String> {
        Ok(self.find(id).map(|fake| Static {
            comm: fake.comm.to_owned(),
            parent: fake.parent,
            start: f64::from(fake.start),
            ..Static::default()
        }))
    }
}

struct Bench {
    tracker: Tracker,
    groups: Groups,
}

impl Bench {
    fn new(names: &[&str], rules: Rules, remove_empty: bool) -> Self {
        let comm = names.iter().map(|&name| name.to_owned()).collect();
        let block = MatcherArguments { name: "{{.Comm}}".into(), comm, ..MatcherArguments::default() };
        let tracker = Tracker::new(Matchers::new(&[block]).unwrap(), Users::new("/nowhere"), rules);
        Self { tracker, groups: Groups::new(remove_empty) }
    }

    fn look(&mut self, fakes: &[Fake]) -> BTreeMap<String, Group> {
        self.tracker.look(&mut Fakes(fakes.to_vec()), NOW).unwrap();
        self.groups.update(self.tracker.followed())
    }
}

fn names(groups: &BTreeMap<String, Group>) -> Vec<(&str, u64)> {
    groups.iter().map(|(name, group)| (name.as_str(), group.procs)).collect()
}

#[test]
fn counters_begin_at_the_first_look_and_go_on_when_processes_end() {
    let mut bench = Bench::new(&["a"], PLAIN, false);
    assert_eq!(bench.look(&[process(1, "a").used(3), process(2, "a").used(1)])["a"].counts, counts(0));
    let groups = bench.look(&[process(1, "a").used(4)]);
    assert_eq!((groups["a"].counts, groups["a"].procs), (counts(1), 1));
    assert_eq!(bench.look(&[]), [("a".to_owned(), Group { counts: counts(1), ..Group::default() })].into());
    let groups = bench.look(&[process(3, "a").used(5)]);
    assert_eq!(groups["a"].counts, counts(1), "it is older than the first look, so nobody knows when it used that");
    assert_eq!(bench.look(&[process(3, "a").used(7)])["a"].counts, counts(3));
}

#[test]
fn a_process_that_started_since_the_first_look_counts_from_its_start() {
    let mut bench = Bench::new(&["a"], PLAIN, false);
    bench.look(&[]);
    assert_eq!(bench.look(&[process(1, "a").started(2_000).used(5)])["a"].counts, counts(5));
}

#[test]
fn an_empty_group_is_forgotten_if_that_is_wanted() {
    let mut bench = Bench::new(&["a", "b"], PLAIN, true);
    bench.look(&[process(1, "a").used(3), process(2, "b")]);
    assert_eq!(names(&bench.look(&[process(1, "a").used(4)])), [("a", 1)]);
    assert!(bench.look(&[]).is_empty());
    assert_eq!(bench.look(&[process(1, "a").used(9)])["a"].counts, counts(0), "it begins anew");
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let mut bench = Bench::new(&["a", "b"], PLAIN, true);
    bench.look(&[process(1, "a").used(3)]);
    let groups = bench.look(&[process(1, "b").started(3_000).used(2)]);
    assert_eq!((names(&groups), groups["b"].counts), (vec![("b", 1)], counts(2)));
}

#[test]
fn children_belong_to_the_nearest_ancestor_that_has_a_group() {
    let family = [
        process(1, "init"),
        process(2, "a").child_of(1),
        process(3, "x").child_of(2),
        process(4, "y").child_of(3),
        process(5, "b").child_of(4),
        process(6, "z").child_of(5),
        process(7, "w").child_of(1),
    ];
    let mut bench = Bench::new(&["a", "b"], Rules { children: true, recheck: false }, false);
    assert_eq!(names(&bench.look(&family)), [("a", 3), ("b", 2)]);
    let mut later = family.to_vec();
    later.push(process(8, "v").child_of(6).started(2_000));
    later.push(process(9, "v").child_of(7).started(2_000));
    assert_eq!(names(&bench.look(&later)), [("a", 3), ("b", 3)]);
    assert_eq!(names(&Bench::new(&["a", "b"], PLAIN, false).look(&family)), [("a", 1), ("b", 1)]);
}

#[test]
fn parents_that_go_in_a_circle_end() {
    let circle = [process(1, "x").child_of(2), process(2, "y").child_of(1)];
    assert!(Bench::new(&["a"], Rules { children: true, recheck: false }, false).look(&circle).is_empty());
}

#[test]
fn a_process_that_changes_its_name_is_found_only_by_asking_again() {
    for (recheck, expected) in [(false, vec![]), (true, vec![("a", 1)])] {
        let mut bench = Bench::new(&["a"], Rules { recheck, ..PLAIN }, false);
        bench.look(&[process(1, "sh")]);
        assert_eq!(names(&bench.look(&[process(1, "a")])), expected);
    }
}

#[test]
fn gauges_add_up_and_the_worst_ratio_is_one_process_s() {
    let mut bench = Bench::new(&["a"], PLAIN, false);
    let mut big = process(1, "a").files(4_000, 4_096).started(7);
    big.reading.memory = Memory { resident: 10, virtual_size: 20, ..Memory::default() };
    let mut small = process(2, "a").files(40, 4_096).started(9);
    small.reading.memory = Memory { resident: 1, virtual_size: 2, ..Memory::default() };
    let mut hidden = process(3, "a");
    hidden.reading.file_limit = 10;
    let group = &bench.look(&[big, small, hidden.started(8)])["a"];
    assert_eq!((group.memory.resident, group.memory.virtual_size, group.open_files), (11, 22, 4_040));
    assert_eq!((group.worst_ratio, group.oldest), (4_000.0 / 4_096.0, Some(7.0)));
}

#[test]
fn threads_are_counted_by_name_from_the_second_time_they_are_seen() {
    let mut bench = Bench::new(&["a"], PLAIN, false);
    let by_name = |group: &Group| group.threads.clone().into_iter().collect::<Vec<_>>();
    let thread = |name: &str, number, used| (name.to_owned(), (number, counts(used)));
    let groups = bench.look(&[process(1, "a").threads(&[(1, "t1", 1), (2, "t2", 1)])]);
    assert_eq!(by_name(&groups["a"]), [thread("t1", 1, 0), thread("t2", 1, 0)]);
    let groups = bench.look(&[process(1, "a").threads(&[(1, "t1", 2), (2, "t2", 2), (3, "t2", 1)])]);
    assert_eq!(by_name(&groups["a"]), [thread("t1", 1, 1), thread("t2", 2, 1)]);
    let groups = bench.look(&[process(1, "a").threads(&[(2, "t2", 4), (3, "t2", 2)])]);
    assert_eq!(by_name(&groups["a"]), [thread("t2", 2, 4)]);
}

/// A recorded process with two threads and one of the kernel, which have done their work so many times.
fn record(root: &std::path::Path, times: u64) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let status = format!(
        "Name:\tdb\nUid:\t999\t42\t999\t999\nVmSwap:\t      10 kB\nvoluntary_ctxt_switches:\t{}\n\
         nonvoluntary_ctxt_switches:\t{}\n",
        72 * times,
        6 * times
    );
    let stat = |pid: u32, name: &str, state: &str| {
        let (minor, major, user, system) = (1603 * times, 767 * times, 10 * times, 4 * times);
        format!(
            "{pid} ({name}) {state} 1 {pid} {pid} 0 -1 0 {minor} 0 {major} 0 {user} {system} 0 0 20 0 2 0 324219 \
             17174528 1969 18446744073709551615\n"
        )
    };
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                  Max open files            1024                 65536                files     \n";
    write("stat", "cpu 1 2 3\nbtime 1508450329\n");
    for (folder, name, state) in [("7", "db", "S"), ("7/task/7", "db", "S"), ("7/task/8", "db worker", "D")] {
        write(&format!("{folder}/stat"), &stat(7, name, state));
        write(&format!("{folder}/status"), &status);
        write(
            &format!("{folder}/io"),
            &format!("rchar: 9\nread_bytes: {}\nwrite_bytes: {}\n", 1814455 * times, 512 * times),
        );
        write(&format!("{folder}/wchan"), if state == "D" { "io_schedule" } else { "0" });
    }
    write("7/cmdline", "/usr/bin/db\0--data\0/srv/one\0");
    write("7/cgroup", "0::/system.slice/db.service\n");
    write("7/limits", limits);
    write("7/smaps_rollup", "Rss: 8 kB\nPss:                   3 kB\nSwapPss:               1 kB\n");
    for number in 0..5 {
        write(&format!("7/fd/{number}"), "");
    }
    write("9/stat", &stat(9, "kworker/0:1", "I"));
    write("9/status", &status);
    write("9/cmdline", "");
    write("9/limits", limits);
}

#[test]
fn a_recorded_tree_becomes_the_families_of_process_exporter() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 1);
    let list = |text: &str| vec![text.to_owned()];
    let args = ProcessArguments {
        procfs_path: dir.path().display().to_string(),
        matcher: vec![
            MatcherArguments {
                name: "{{.ExeBase}}:{{.Matches.data}}:{{.Cgroups}}".into(),
                cmdline: list("--data /srv/(?P<data>\\w+)"),
                ..MatcherArguments::default()
            },
            MatcherArguments { comm: list("kworker/0:1"), ..MatcherArguments::default() },
        ],
        ..ProcessArguments::default()
    };
    let mut exporter = Exporter::new(&args).unwrap();
    exporter.gather().unwrap();
    record(dir.path(), 3);
    let text = render(&mut [exporter.gather().unwrap()]);
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("build_info"));
    let group = "db:one:[/system.slice/db.service]";
    let samples: Vec<String> = samples.map(|line| line.replace(group, "GROUP")).collect();
    assert_eq!(samples, include_str!("tests.prom").lines().collect::<Vec<_>>(), "{}", samples.join("\n"));
}

#[test]
fn a_tree_that_is_not_there_is_told_when_the_file_loads() {
    let args = ProcessArguments { procfs_path: "/nowhere".into(), ..ProcessArguments::default() };
    assert!(Exporter::new(&args).err().unwrap().starts_with("/nowhere/stat: "));
}
