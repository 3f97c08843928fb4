//! What `/proc/cpuinfo` says of each CPU, on the architectures that node_exporter knows.

/// One CPU.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Processor {
    pub(super) number: String,
    pub(super) package: String,
    pub(super) core: String,
    pub(super) mhz: f64,
    pub(super) flags: String,
    pub(super) bugs: String,
    vendor: String,
    family: String,
    model: String,
    model_name: String,
    microcode: String,
    stepping: String,
    cache_size: String,
}

impl Processor {
    /// The labels of `node_cpu_info`.
    pub(super) fn labels(&self) -> [(&str, &str); 10] {
        [
            ("cachesize", &self.cache_size),
            ("core", &self.core),
            ("cpu", &self.number),
            ("family", &self.family),
            ("microcode", &self.microcode),
            ("model", &self.model),
            ("model_name", &self.model_name),
            ("package", &self.package),
            ("stepping", &self.stepping),
            ("vendor", &self.vendor),
        ]
    }
}

/// The CPUs in their order. What some architectures say once for all stands at each.
pub(super) fn parse(text: &str) -> Vec<Processor> {
    let mut cpus: Vec<Processor> = Vec::new();
    let mut common = Processor::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.strip_prefix(' ').unwrap_or(value));
        if key == "processor" && value.trim().parse::<u32>().is_ok() {
            cpus.push(Processor { number: value.trim().to_owned(), ..Processor::default() });
            continue;
        }
        let cpu = cpus.last_mut().unwrap_or(&mut common);
        let target = match key {
            "vendor" | "vendor_id" | "CPU implementer" => &mut cpu.vendor,
            "cpu family" | "CPU architecture" => &mut cpu.family,
            "model" | "CPU part" => &mut cpu.model,
            "model name" | "Processor" | "cpu model" | "cpu" | "Model Name" => &mut cpu.model_name,
            "stepping" | "CPU revision" => &mut cpu.stepping,
            "microcode" => &mut cpu.microcode,
            "cache size" => &mut cpu.cache_size,
            "physical id" => &mut cpu.package,
            "core id" | "core" => &mut cpu.core,
            "flags" | "Features" | "features" | "isa" => &mut cpu.flags,
            "bugs" => &mut cpu.bugs,
            "cpu MHz" | "clock" | "CPU MHz" => {
                cpu.mhz = value.trim().trim_end_matches("MHz").parse().unwrap_or(0.0);
                continue;
            }
            _ => continue,
        };
        value.clone_into(target);
    }
    for cpu in &mut cpus {
        for (own, common) in [
            (&mut cpu.vendor, &common.vendor),
            (&mut cpu.model_name, &common.model_name),
            (&mut cpu.flags, &common.flags),
        ] {
            if own.is_empty() {
                own.clone_from(common);
            }
        }
    }
    cpus
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_processor_has_its_own_lines() {
        let text = "processor\t: 0\nvendor_id\t: Own\nmodel name\t: Own CPU @ 1GHz: fast\ncpu MHz\t\t: 1000.5\nflags\t\t: \
            a b\n\nprocessor\t: 1\nphysical id\t: 1\n";
        let cpus = parse(text);
        assert_eq!(cpus.len(), 2);
        assert_eq!((&*cpus[0].model_name, cpus[0].mhz, &*cpus[0].flags), ("Own CPU @ 1GHz: fast", 1000.5, "a b"));
        assert_eq!((&*cpus[1].number, &*cpus[1].package), ("1", "1"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(processor|flags|cpu MHz|: |[0-9]|\n|.){0,60}") {
            let _ = parse(&text);
        }
    }
}
