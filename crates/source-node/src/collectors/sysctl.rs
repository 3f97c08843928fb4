//! `sysctl`: settings of the kernel that the user names.

use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

struct Setting {
    name: String,
    /// Names for several values.
    keys: Vec<String>,
    numeric: bool,
}

struct Sysctl {
    roots: Arc<Roots>,
    settings: Vec<Setting>,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let setting = |text: &String, numeric| {
        let (name, keys) = text.split_once(':').unwrap_or((text, ""));
        let keys = keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        Setting { name: name.to_owned(), keys, numeric }
    };
    let numbers = args.sysctl.include.iter().map(|text| setting(text, true));
    let texts = args.sysctl.include_info.iter().map(|text| setting(text, false));
    Ok(Box::new(Sysctl { roots: Arc::clone(roots), settings: numbers.chain(texts).collect() }))
}

impl Collector for Sysctl {
    fn name(&self) -> &'static str {
        "sysctl"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        self.settings.iter().try_for_each(|setting| self.add(setting, out))
    }
}

impl Sysctl {
    fn add(&self, Setting { name, keys, numeric }: &Setting, out: &mut Families) -> Outcome {
        let text = files::attribute(self.roots.proc("sys").join(name.replace('.', "/")))?;
        let values: Vec<_> = text.split_whitespace().collect();
        let wrong = |why: &str| Failure::new(format!("sysctl {name} {why}"));
        match (values.len(), keys.len()) {
            (0, _) => return Err(wrong("has no value")),
            (1, 1..) => return Err(wrong("has one value alone, and names for several")),
            (count, names @ 1..) if count != names => return Err(wrong("has not as many values as there are names")),
            (_, 1..) if !numeric => return Err(wrong("is text, whose parts can have no names")),
            _ => {}
        }
        for (at, value) in values.iter().enumerate() {
            let index = at.to_string();
            if !numeric {
                let labels = [("index", &*index), ("name", &**name), ("value", *value)];
                out.gauge("node_sysctl_info", "Settings that are text.", &labels, 1);
                continue;
            }
            let number = parse::c_number(value).ok_or_else(|| wrong("is no number"))? as f64;
            let metric = format!("node_sysctl_{}", parse::metric_name(name));
            let help = format_args!("The setting {name}.");
            match keys.get(at) {
                Some(key) => out.untyped(&format!("{metric}_{key}"), help, &[], number),
                None if values.len() == 1 => out.untyped(&metric, help, &[], number),
                None => out.untyped(&metric, help, &[("index", &index)], number),
            }
        }
        Ok(())
    }
}
