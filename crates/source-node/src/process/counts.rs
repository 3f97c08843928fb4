//! Numbers of processes, threads and groups.

/// Times in `/proc` are in ticks, of which a second has so many on every machine that Linux runs on.
const TICKS: f64 = 100.0;

/// Ticks in seconds.
#[expect(clippy::cast_precision_loss, reason = "samples are floats")]
pub(crate) fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS
}

/// What only grows while a process lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// In ticks, of which a second has a hundred.
    pub(crate) user: u64,
    /// In ticks.
    pub(crate) system: u64,
    pub(crate) read_bytes: u64,
    pub(crate) write_bytes: u64,
    pub(crate) major_faults: u64,
    pub(crate) minor_faults: u64,
    /// Context switches.
    pub(crate) voluntary: u64,
    /// Context switches.
    pub(crate) involuntary: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.read_bytes += other.read_bytes;
        self.write_bytes += other.write_bytes;
        self.major_faults += other.major_faults;
        self.minor_faults += other.minor_faults;
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
    }

    /// What has been added since `earlier`. A number that has become smaller (a thread of the process has ended, a
    /// file may no longer be read) adds nothing.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
            write_bytes: self.write_bytes.saturating_sub(earlier.write_bytes),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) virtual_size: u64,
    pub(crate) swapped: u64,
    pub(crate) proportional: u64,
    pub(crate) proportional_swapped: u64,
}

impl Memory {
    pub(crate) fn add(&mut self, other: Self) {
        self.resident += other.resident;
        self.virtual_size += other.virtual_size;
        self.swapped += other.swapped;
        self.proportional += other.proportional;
        self.proportional_swapped += other.proportional_swapped;
    }
}

/// How many run, wait and so on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct States {
    pub(crate) running: u64,
    pub(crate) sleeping: u64,
    pub(crate) waiting: u64,
    pub(crate) zombie: u64,
    pub(crate) other: u64,
}

impl States {
    /// One in the state that the kernel writes as this letter.
    pub(crate) fn of(letter: char) -> Self {
        let mut states = Self::default();
        *match letter {
            'R' => &mut states.running,
            'S' => &mut states.sleeping,
            'D' => &mut states.waiting,
            'Z' => &mut states.zombie,
            _ => &mut states.other,
        } = 1;
        states
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.running += other.running;
        self.sleeping += other.sleeping;
        self.waiting += other.waiting;
        self.zombie += other.zombie;
        self.other += other.other;
    }
}
