//! NVIDIA's management library, loaded while running: a machine without it runs the same program.
//!
//! The one file of this crate with `unsafe`. What makes it sound:
//!
//! - Loading runs the library's initialisers, and calling trusts its machine code. Both are as trustworthy as the
//!   file, which is the one that the system's loader finds under NVIDIA's name, or the one that the user names.
//! - A function's type is what `nvml.h` declares for its name. Those declarations never change: a function that takes
//!   other parameters gets another name (`_v2`). Names and types stand side by side in this file, and nowhere else.
//! - Every pointer that is passed points to a local variable of that type or to a buffer whose length is passed with
//!   it, and is not kept by the library after the call.
//! - Functions are looked up for each call and never outlive the library; devices borrow it.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;

use libloading::Library;

/// The library, initialised.
pub(super) struct Nvml(Library);

/// A graphics card.
pub(super) struct Device<'a> {
    nvml: &'a Nvml,
    handle: Handle,
}

type Handle = *mut c_void;
const SUCCESS: c_int = 0;
/// Longer than every buffer size that `nvml.h` names.
const TEXT: usize = 128;

/// A function `(device, *T)`.
pub(super) struct Query<T>(&'static str, PhantomData<T>);
/// A function `(device, which, *T)` with its `which`.
pub(super) struct QueryBy<T>(&'static str, c_uint, PhantomData<T>);
/// A function `(device, *char, length)`.
pub(super) struct TextQuery(&'static str);

macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $function:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: Query<$type> = Query($function, PhantomData);)*
    };
}
queries! {
    MINOR_NUMBER: c_uint = "nvmlDeviceGetMinorNumber";
    UTILIZATION: Utilization = "nvmlDeviceGetUtilizationRates";
    MEMORY: Memory = "nvmlDeviceGetMemoryInfo";
    /// Thousandths of a watt.
    POWER: c_uint = "nvmlDeviceGetPowerUsage";
    /// Thousandths of a watt.
    POWER_LIMIT: c_uint = "nvmlDeviceGetPowerManagementLimit";
    /// Thousandths of a watt.
    ENFORCED_LIMIT: c_uint = "nvmlDeviceGetEnforcedPowerLimit";
    /// Thousandths of a joule.
    ENERGY: u64 = "nvmlDeviceGetTotalEnergyConsumption";
    FAN: c_uint = "nvmlDeviceGetFanSpeed";
    PERFORMANCE_STATE: c_uint = "nvmlDeviceGetPerformanceState";
    THROTTLE_REASONS: u64 = "nvmlDeviceGetCurrentClocksThrottleReasons";
    REPLAYS: c_uint = "nvmlDeviceGetPcieReplayCounter";
    PCI: Pci = "nvmlDeviceGetPciInfo_v3";
}

const fn by<T>(function: &'static str, which: c_uint) -> QueryBy<T> {
    QueryBy(function, which, PhantomData)
}
pub(super) const TEMPERATURE: QueryBy<c_uint> = by("nvmlDeviceGetTemperature", 0);
pub(super) const SM_CLOCK: QueryBy<c_uint> = by("nvmlDeviceGetClockInfo", 1);
pub(super) const MEMORY_CLOCK: QueryBy<c_uint> = by("nvmlDeviceGetClockInfo", 2);
pub(super) const VIDEO_CLOCK: QueryBy<c_uint> = by("nvmlDeviceGetClockInfo", 3);

pub(super) const NAME: TextQuery = TextQuery("nvmlDeviceGetName");
pub(super) const UUID: TextQuery = TextQuery("nvmlDeviceGetUUID");

/// Percent.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utilization {
    pub(super) gpu: c_uint,
    pub(super) memory: c_uint,
}

/// Bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) free: u64,
    pub(super) used: u64,
}

/// Bytes; what the driver keeps for itself is not counted as used.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory2 {
    version: c_uint,
    pub(super) total: u64,
    pub(super) reserved: u64,
    pub(super) free: u64,
    pub(super) used: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pci {
    legacy_bus_id: [u8; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
    subsystem_id: c_uint,
    bus_id: [u8; 32],
}

impl Pci {
    /// `00000000:01:00.0`.
    pub(super) fn bus_id(&self) -> String {
        text(&self.bus_id)
    }
}

/// Rows of memory that others stand in for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Remapped {
    pub(super) correctable: c_uint,
    pub(super) uncorrectable: c_uint,
    pub(super) has_failed: bool,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Field {
    id: c_uint,
    scope: c_uint,
    timestamp: i64,
    latency: i64,
    value_type: c_uint,
    result: c_int,
    /// A union of numbers of up to eight bytes.
    value: u64,
}
const MEMORY_TEMPERATURE: c_uint = 82;
const UNSIGNED_INT: c_uint = 1;

/// A text that ends at its first zero.
fn text(bytes: &[u8]) -> String {
    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

impl Nvml {
    /// Loads and initialises the library at a path, or under a name that the system's loader looks up.
    ///
    /// # Errors
    /// Why there is none, for a person.
    pub(super) fn load(path: &str) -> Result<Self, String> {
        // SAFETY: see the top of the file: the library is NVIDIA's, or what the user names as such.
        let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
        let nvml = Self(library);
        let init: unsafe extern "C" fn() -> c_int = nvml.function("nvmlInit_v2").ok_or("it has no nvmlInit_v2")?;
        // SAFETY: nvml.h: `nvmlReturn_t nvmlInit_v2(void)`.
        match unsafe { init() } {
            SUCCESS => Ok(nvml),
            code => Err(format!("nvmlInit_v2 answers {code}: {}", meaning(code))),
        }
    }

    /// The function of a name. `F` must be the type that nvml.h gives it.
    fn function<F: Copy>(&self, name: &str) -> Option<F> {
        // SAFETY: the callers in this file give each name the type that nvml.h declares. The copied pointer is used
        // at once, while `self` keeps the library loaded.
        unsafe { self.0.get::<F>(name.as_bytes()) }.ok().map(|symbol| *symbol)
    }

    pub(super) fn driver_version(&self) -> Option<String> {
        let function: unsafe extern "C" fn(*mut c_char, c_uint) -> c_int =
            self.function("nvmlSystemGetDriverVersion")?;
        let mut buffer = [0_u8; TEXT];
        // SAFETY: the buffer has the length that is passed.
        let code = unsafe { function(buffer.as_mut_ptr().cast(), TEXT as c_uint) };
        (code == SUCCESS).then(|| text(&buffer))
    }

    /// The cards that can be asked, with their numbers.
    ///
    /// # Errors
    /// What the library says, if it says nothing of any card.
    pub(super) fn devices(&self) -> Result<Vec<(c_uint, Device<'_>)>, String> {
        let missing = "it lacks functions that all versions have";
        let count: unsafe extern "C" fn(*mut c_uint) -> c_int =
            self.function("nvmlDeviceGetCount_v2").ok_or(missing)?;
        let by_index: unsafe extern "C" fn(c_uint, *mut Handle) -> c_int =
            self.function("nvmlDeviceGetHandleByIndex_v2").ok_or(missing)?;
        let mut number = 0;
        // SAFETY: the pointer is to a local of the type.
        let code = unsafe { count(&mut number) };
        if code != SUCCESS {
            return Err(format!("nvmlDeviceGetCount_v2 answers {code}: {}", meaning(code)));
        }
        let device = |index| {
            let mut handle: Handle = std::ptr::null_mut();
            // SAFETY: as above; the handle is the library's own pointer, which is only given back to it.
            let code = unsafe { by_index(index, &mut handle) };
            (code == SUCCESS).then_some((index, Device { nvml: self, handle }))
        };
        Ok((0..number).filter_map(device).collect())
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        if let Some(shutdown) = self.function::<unsafe extern "C" fn() -> c_int>("nvmlShutdown") {
            // SAFETY: nvml.h: `nvmlReturn_t nvmlShutdown(void)`; no device outlives the borrow of `self`.
            unsafe { shutdown() };
        }
    }
}

impl Device<'_> {
    /// `None` where the card or the library cannot tell.
    pub(super) fn ask<T: Copy + Default>(&self, query: &Query<T>) -> Option<T> {
        let function: unsafe extern "C" fn(Handle, *mut T) -> c_int = self.nvml.function(query.0)?;
        let mut value = T::default();
        // SAFETY: the query's type is the function's; the pointer is to a local of it.
        let code = unsafe { function(self.handle, &mut value) };
        (code == SUCCESS).then_some(value)
    }

    /// `None` where the card or the library cannot tell.
    pub(super) fn ask_by<T: Copy + Default>(&self, query: &QueryBy<T>) -> Option<T> {
        let function: unsafe extern "C" fn(Handle, c_uint, *mut T) -> c_int = self.nvml.function(query.0)?;
        let mut value = T::default();
        // SAFETY: as in `ask`; enumerations of nvml.h are passed as int, of which these have the value.
        let code = unsafe { function(self.handle, query.1, &mut value) };
        (code == SUCCESS).then_some(value)
    }

    /// `None` where the card or the library cannot tell.
    pub(super) fn text(&self, query: &TextQuery) -> Option<String> {
        let function: unsafe extern "C" fn(Handle, *mut c_char, c_uint) -> c_int = self.nvml.function(query.0)?;
        let mut buffer = [0_u8; TEXT];
        // SAFETY: the buffer has the length that is passed.
        let code = unsafe { function(self.handle, buffer.as_mut_ptr().cast(), TEXT as c_uint) };
        (code == SUCCESS).then(|| text(&buffer))
    }

    /// Memory with what the driver keeps; `None` for older drivers.
    pub(super) fn memory2(&self) -> Option<Memory2> {
        let function: unsafe extern "C" fn(Handle, *mut Memory2) -> c_int =
            self.nvml.function("nvmlDeviceGetMemoryInfo_v2")?;
        // The struct names its own size and version.
        let version = size_of::<Memory2>() as c_uint | (2 << 24);
        let mut memory = Memory2 { version, ..Memory2::default() };
        // SAFETY: the pointer is to a local of the type and version that it names.
        let code = unsafe { function(self.handle, &mut memory) };
        (code == SUCCESS).then_some(memory)
    }

    /// Percent that the encoder works.
    pub(super) fn encoder(&self) -> Option<c_uint> {
        self.sampled("nvmlDeviceGetEncoderUtilization")
    }

    /// Percent that the decoder works.
    pub(super) fn decoder(&self) -> Option<c_uint> {
        self.sampled("nvmlDeviceGetDecoderUtilization")
    }

    fn sampled(&self, name: &str) -> Option<c_uint> {
        let function: unsafe extern "C" fn(Handle, *mut c_uint, *mut c_uint) -> c_int = self.nvml.function(name)?;
        let (mut percent, mut micros) = (0, 0);
        // SAFETY: both functions take the value and the time over which it was taken; the pointers are to locals.
        let code = unsafe { function(self.handle, &mut percent, &mut micros) };
        (code == SUCCESS).then_some(percent)
    }

    /// Errors of memory: corrected ones or not, since the driver was loaded or ever.
    pub(super) fn ecc_errors(&self, uncorrected: bool, ever: bool) -> Option<u64> {
        let function: unsafe extern "C" fn(Handle, c_int, c_int, *mut u64) -> c_int =
            self.nvml.function("nvmlDeviceGetTotalEccErrors")?;
        let mut count = 0;
        // SAFETY: both enumerations have the values 0 and 1; the pointer is to a local.
        let code = unsafe { function(self.handle, c_int::from(uncorrected), c_int::from(ever), &mut count) };
        (code == SUCCESS).then_some(count)
    }

    pub(super) fn remapped_rows(&self) -> Option<Remapped> {
        type Rows = unsafe extern "C" fn(Handle, *mut c_uint, *mut c_uint, *mut c_uint, *mut c_uint) -> c_int;
        let function: Rows = self.nvml.function("nvmlDeviceGetRemappedRows")?;
        let (mut correctable, mut uncorrectable, mut pending, mut failed) = (0, 0, 0, 0);
        // SAFETY: the pointers are to four locals.
        let code = unsafe { function(self.handle, &mut correctable, &mut uncorrectable, &mut pending, &mut failed) };
        (code == SUCCESS).then_some(Remapped { correctable, uncorrectable, has_failed: failed != 0 })
    }

    /// Degrees Celsius.
    pub(super) fn memory_temperature(&self) -> Option<c_uint> {
        let function: unsafe extern "C" fn(Handle, c_int, *mut Field) -> c_int =
            self.nvml.function("nvmlDeviceGetFieldValues")?;
        let mut field = Field { id: MEMORY_TEMPERATURE, ..Field::default() };
        // SAFETY: the pointer is to one field, as the count says.
        let code = unsafe { function(self.handle, 1, &mut field) };
        let is_known = code == SUCCESS && field.result == SUCCESS && field.value_type == UNSIGNED_INT;
        // The union's first four bytes.
        let bytes = field.value.to_ne_bytes();
        is_known.then(|| c_uint::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

/// What a code of the library means.
fn meaning(code: c_int) -> &'static str {
    match code {
        1 => "it has not been initialised",
        3 => "not supported",
        4 => "no permission",
        9 => "the driver is not loaded",
        12 => "the library was not found",
        15 => "the card has fallen off the bus, or is otherwise lost",
        18 => "driver and library have different versions: a reboot is needed",
        _ => "see nvmlReturn_t in nvml.h",
    }
}
