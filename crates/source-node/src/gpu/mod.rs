//! `prometheus.exporter.gpu`: graphics cards of NVIDIA, AMD and Intel.
//!
//! | file | what it holds |
//! |---|---|
//! | `nvml.rs` | NVIDIA's management library, loaded while running; all `unsafe` of the crate |
//! | `nvidia.rs` | what it says, in the names of the DCGM exporter |
//! | `pci.rs` | whether a card of NVIDIA is there, and awake |
//! | `drm.rs` | cards of AMD and Intel, from `/sys` |

mod drm;
mod nvidia;
mod nvml;
mod pci;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use corten_component::{Arguments, BuildContext, BuildError, Component, Handle, RunContext, RunError};
use corten_signal::exposition::Expose;

use crate::exporter::{Blocking, ExporterExports, Gather, build_info, serve};
use crate::families::Families;
use crate::roots::Roots;
use nvml::Nvml;
use pci::Cards;

/// Where the library is: as the system's loader finds it, and where NixOS keeps it.
const PLACES: [&str; 2] = ["libnvidia-ml.so.1", "/run/opengl-driver/lib/libnvidia-ml.so.1"];
/// A library that is not there is looked for no more often.
const RETRY: Duration = Duration::from_secs(60);

/// The arguments of `prometheus.exporter.gpu`.
#[derive(Debug, Clone, PartialEq, Eq, Arguments)]
pub struct GpuArguments {
    /// Where the sysfs file system is.
    pub sysfs_path: String,
    /// NVIDIA's management library. Not written: `libnvidia-ml.so.1`, as the system or NixOS keeps it.
    pub nvml_library: String,
}

impl Default for GpuArguments {
    fn default() -> Self {
        Self { sysfs_path: "/sys".to_owned(), nvml_library: String::new() }
    }
}

/// `prometheus.exporter.gpu`.
pub struct Gpu {
    exposed: Handle<dyn Expose>,
}

impl Component for Gpu {
    const NAME: &'static str = "prometheus.exporter.gpu";
    const DOC: &'static str = "Exposes graphics cards: use, memory, temperature, power, clocks, errors.\n\n\
        Cards of NVIDIA are asked by the driver's own library, which is loaded if it is there, under the names of the \
        DCGM exporter (`DCGM_FI_DEV_*`); one that sleeps is left asleep. Cards of AMD and Intel are read from /sys, \
        under the names of node_exporter's drm collector (`node_drm_*`) and more like them. Without a card there is \
        nothing, and nothing is wrong.";
    type Arguments = GpuArguments;
    type Exports = ExporterExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let exposed = cx.handle("metrics", Arc::new(Blocking::new(Exporter::new(&args))) as Arc<dyn Expose>);
        Ok((Self { exposed }, ExporterExports::new(Self::NAME, cx.id())))
    }

    async fn run(self, carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        serve(&cx, &self.exposed).await;
        (carry, Ok(()))
    }
}

struct Exporter {
    roots: Roots,
    places: Vec<String>,
    nvml: Option<Nvml>,
    failed: Option<Instant>,
}

impl Exporter {
    fn new(args: &GpuArguments) -> Self {
        let roots = Roots { sys: args.sysfs_path.clone().into(), ..Roots::default() };
        let places = match args.nvml_library.as_str() {
            "" => PLACES.map(str::to_owned).to_vec(),
            place => vec![place.to_owned()],
        };
        Self { roots, places, nvml: None, failed: None }
    }

    /// The library, loaded when a card is first seen.
    fn nvml(&mut self) -> Option<&Nvml> {
        if self.nvml.is_none() && self.failed.is_none_or(|when| when.elapsed() >= RETRY) {
            self.nvml = self.places.iter().find_map(|place| match Nvml::load(place) {
                Ok(nvml) => Some(nvml),
                Err(why) => {
                    tracing::debug!("cards of NVIDIA cannot be asked by {place}: {why}");
                    None
                }
            });
            self.failed = self.nvml.is_none().then(Instant::now);
        }
        self.nvml.as_ref()
    }
}

impl Gather for Exporter {
    fn gather(&mut self) -> Result<Families, String> {
        let mut out = Families::new();
        drm::collect(&mut out, &self.roots);
        match pci::nvidia(&self.roots) {
            Cards::None => tracing::debug!("there is no card of NVIDIA"),
            Cards::Asleep => tracing::debug!("the cards of NVIDIA sleep, and are left asleep"),
            Cards::Awake => {
                let asked = self.nvml().map(|nvml| nvidia::collect(&mut out, nvml));
                if let Some(Err(why)) = asked {
                    // The driver may have been replaced: the next scrape loads the library anew.
                    tracing::warn!("cards of NVIDIA could not be asked: {why}");
                    self.nvml = None;
                }
            }
        }
        build_info(&mut out, "gpu_exporter");
        Ok(out)
    }
}
