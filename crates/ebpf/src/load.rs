//! Loading: which programs of an image, with which settings; and why not.

use std::fmt;

use libbpf_rs::{ErrorKind, Link, Map, MapCore, MapHandle, Object, ObjectBuilder, OpenObject, ProgramMut};

use crate::{Image, words};

/// What is to be loaded of an image.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Programs by name; all others stay out.
    pub programs: Vec<&'static str>,
    /// Maps that these programs do not use, on kernels that cannot make them.
    pub without_maps: Vec<&'static str>,
    /// First values of maps that hold constants and variables, by the name of their section.
    pub values: Vec<(&'static str, Vec<u8>)>,
    /// Numbers of entries that differ from the program's own.
    pub sizes: Vec<(&'static str, u32)>,
    /// Programs that are attached as uprobe_multi.
    pub multi: Vec<&'static str>,
}

/// Why something could not be loaded or attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// What was tried: the program's name, or what else.
    pub what: String,
    /// Permission was refused, rather than the thing itself.
    pub refused: bool,
    /// In words.
    pub reason: String,
}

impl LoadError {
    fn new(what: impl Into<String>, error: &libbpf_rs::Error, said: &str) -> Self {
        let reason = match words::reason(said) {
            Some(line) => format!("{error:#}: {line}"),
            None => format!("{error:#}"),
        };
        Self { what: what.into(), refused: error.kind() == ErrorKind::PermissionDenied, reason }
    }

    /// For what was found out without the kernel.
    pub fn found(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), refused: false, reason: reason.into() }
    }

    fn missing(what: &str) -> Self {
        Self { what: what.to_owned(), refused: false, reason: "there is nothing of this name".into() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)
    }
}

impl std::error::Error for LoadError {}

/// Programs in the kernel, and what they are attached to. Dropped, they are gone.
#[derive(Debug)]
pub struct Loaded {
    // Links first: a program that runs needs its maps.
    links: Vec<Link>,
    object: Object,
}

impl Loaded {
    /// Loads the programs of a plan, all or none.
    ///
    /// # Errors
    /// If the kernel refuses one of them, with its reason.
    pub fn load(image: &Image, plan: &Plan) -> Result<Self, LoadError> {
        let what = || plan.programs.join(", ");
        let (object, said) = words::during(|| {
            let mut open = ObjectBuilder::default().open_memory(image.bytes())?;
            prepare(&mut open, plan)?;
            open.load()
        });
        let object = object.map_err(|error| LoadError::new(what(), &error, &said))?;
        let loaded = Self { links: Vec::new(), object };
        match plan.programs.iter().find(|name| loaded.program(name).is_none()) {
            Some(name) => Err(LoadError::missing(name)),
            None => Ok(loaded),
        }
    }

    /// Attaches a program to what its section names.
    ///
    /// # Errors
    /// If the kernel refuses it, or there is no such program.
    pub fn attach(&mut self, name: &str) -> Result<(), LoadError> {
        self.attach_by(name, |program| program.attach())
    }

    /// Attaches a program in a way of its own.
    ///
    /// # Errors
    /// If the kernel refuses it, or there is no such program.
    pub fn attach_by(
        &mut self,
        name: &str,
        attach: impl FnOnce(&ProgramMut<'_>) -> libbpf_rs::Result<Link>,
    ) -> Result<(), LoadError> {
        let link = self.link_by(name, attach)?;
        self.links.push(link);
        Ok(())
    }

    /// Attaches a program, and leaves it to the caller for how long.
    ///
    /// # Errors
    /// If the kernel refuses it, or there is no such program.
    pub fn link_by(
        &self,
        name: &str,
        attach: impl FnOnce(&ProgramMut<'_>) -> libbpf_rs::Result<Link>,
    ) -> Result<Link, LoadError> {
        let program = self.program(name).ok_or_else(|| LoadError::missing(name))?;
        let (link, said) = words::during(|| attach(&program));
        link.map_err(|error| LoadError::new(name, &error, &said))
    }

    fn program(&self, name: &str) -> Option<ProgramMut<'_>> {
        self.object.progs_mut().find(|program| program.name() == name && program.autoload())
    }

    /// A map by name.
    ///
    /// # Errors
    /// If there is none.
    pub fn map(&self, name: &str) -> Result<Map<'_>, LoadError> {
        self.object.maps().find(|map| map.name() == name).ok_or_else(|| LoadError::missing(name))
    }

    /// A map by name, to be kept without the object.
    ///
    /// # Errors
    /// If there is none.
    pub fn map_handle(&self, name: &str) -> Result<MapHandle, LoadError> {
        MapHandle::try_from(&self.map(name)?).map_err(|error| LoadError::new(name, &error, ""))
    }
}

fn prepare(open: &mut OpenObject, plan: &Plan) -> libbpf_rs::Result<()> {
    for mut program in open.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        program.set_autoload(plan.programs.contains(&name.as_str()));
        if plan.multi.contains(&name.as_str()) {
            program.set_attach_type(libbpf_rs::ProgramAttachType::TraceUprobeMulti);
        }
    }
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if plan.without_maps.contains(&name.as_str()) {
            map.set_autocreate(false)?;
        }
        if let Some((_, size)) = plan.sizes.iter().find(|(of, _)| *of == name) {
            map.set_max_entries(*size)?;
        }
        if let Some((_, value)) = plan.values.iter().find(|(of, _)| *of == name) {
            map.set_initial_value(value)?;
        }
    }
    Ok(())
}
