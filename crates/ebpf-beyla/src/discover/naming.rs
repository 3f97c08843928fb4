//! The service that a process is: its name, from whoever knows it best.
//!
//! In order: the name of the rule that chose the process, `OTEL_SERVICE_NAME`, `service.name` of
//! `OTEL_RESOURCE_ATTRIBUTES`, the service of a composition or the container's name, the systemd unit, a script's or module's name for interpreters,
//! the program's file, the kernel's short name.

use super::container::Container;
use super::facts::Facts;
use super::language::Language;
use super::selector::Selector;
use crate::telemetry::Service;

/// What is known of a process's surroundings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// The machine's name.
    pub host: &'a str,
    /// The machine's id; may be empty.
    pub host_id: &'a str,
    /// The container, if whoever runs it tells.
    pub container: Option<&'a Container>,
}

/// The service.
pub fn service(process: &Facts, rule: &Selector, around: Surroundings<'_>) -> Service {
    let declared = declared(process);
    let said = |key: &str| declared.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    let name = [
        Some(rule.name.as_str()),
        process.environment.get("OTEL_SERVICE_NAME").map(String::as_str),
        said("service.name"),
        around.container.map(|container| container.service.as_str()),
        around.container.map(|container| container.name.as_str()),
        process.unit.as_deref().and_then(unit_name),
    ];
    let name = name.into_iter().flatten().find(|name| !name.is_empty()).map(str::to_owned);
    let namespace = [Some(rule.namespace.as_str()), said("service.namespace")];
    let mut attributes = vec![("process.pid".to_owned(), process.pid.to_string())];
    let more = [
        ("process.executable.name", file_name(&process.executable)),
        ("process.executable.path", process.executable.as_str()),
        ("container.id", process.container.as_deref().unwrap_or_default()),
        ("container.name", around.container.map_or("", |container| &container.name)),
        ("systemd.unit", process.unit.as_deref().unwrap_or_default()),
    ];
    attributes.extend(
        more.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let instance = said("service.instance.id").map(str::to_owned);
    let own = ["service.name", "service.namespace", "service.instance.id"];
    attributes.extend(declared.iter().filter(|(key, _)| !own.contains(&key.as_str())).cloned());
    Service {
        name: name.unwrap_or_else(|| program_name(process)),
        namespace: namespace.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default().to_owned(),
        instance: instance.unwrap_or_else(|| format!("{}:{}", around.host, process.pid)),
        language: if process.language == Language::Generic { "" } else { process.language.name() },
        host: around.host.to_owned(),
        host_id: around.host_id.to_owned(),
        attributes,
    }
}

/// Pairs of `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key=value`, values percent-encoded.
fn declared(process: &Facts) -> Vec<(String, String)> {
    let text = process.environment.get("OTEL_RESOURCE_ATTRIBUTES").map_or("", String::as_str);
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), decoded(value.trim())))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `nginx.service` is `nginx`, `app@blue.service` is `app`.
fn unit_name(unit: &str) -> Option<&str> {
    let name = unit.strip_suffix(".service")?;
    Some(name.split('@').next().unwrap_or(name))
}

/// The name of what the process runs: of an interpreter, the script.
fn program_name(process: &Facts) -> String {
    let script = match process.language {
        Language::Python | Language::Ruby | Language::Php | Language::Nodejs => script(&process.command),
        Language::Java => jar(&process.command),
        _ => None,
    };
    let program = file_name(&process.executable);
    let name = script.unwrap_or(if program.is_empty() { &process.comm } else { program });
    name.to_owned()
}

/// The first word that is no option, or the module behind `-m`, without its ending.
fn script(command: &[String]) -> Option<&str> {
    let mut words = command.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-m" => return words.next().map(String::as_str),
            "-c" | "-e" => return None,
            option if option.starts_with('-') => {}
            script => {
                let name = file_name(script);
                return Some(name.rsplit_once('.').map_or(name, |(name, _)| name)).filter(|name| !name.is_empty());
            }
        }
    }
    None
}

/// The archive behind `-jar`, else the class.
fn jar(command: &[String]) -> Option<&str> {
    let mut words = command.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-jar" => {
                return words.next().map(|jar| file_name(jar)).map(|name| name.strip_suffix(".jar").unwrap_or(name));
            }
            "-cp" | "-classpath" | "--class-path" | "-p" | "--module-path" => {
                words.next();
            }
            option if option.starts_with('-') => {}
            class => return class.rsplit(['.', '/']).next(),
        }
    }
    None
}

fn file_name(path: &str) -> &str {
    path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(process: &Facts) -> String {
        service(process, &Selector::default(), Surroundings { host: "h", ..Surroundings::default() }).name
    }

    fn process(executable: &str, command: &[&str], language: Language) -> Facts {
        Facts {
            pid: 7,
            executable: executable.to_owned(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            language,
            ..Facts::default()
        }
    }

    #[test]
    fn whoever_knows_best_gives_the_name() {
        let mut one = process("/usr/bin/python3.11", &["python3", "-u", "/srv/shop.py"], Language::Python);
        assert_eq!(named(&one), "shop");
        one.unit = Some("cart@blue.service".to_owned());
        assert_eq!(named(&one), "cart");
        one = one.with_environment(["OTEL_RESOURCE_ATTRIBUTES=service.name=my%20shop,team=a,service.instance.id=i"]);
        let container = Container { name: "box".to_owned(), service: String::new() };
        let around = Surroundings { host: "h", host_id: "i", container: Some(&container) };
        assert_eq!(service(&one, &Selector::default(), around).attribute("container.name"), "box");
        let made = service(&one, &Selector::default(), around);
        assert_eq!((made.name.as_str(), made.instance.as_str()), ("my shop", "i"));
        assert!(made.attributes.contains(&("team".to_owned(), "a".to_owned())));
        one.environment.insert("OTEL_SERVICE_NAME".to_owned(), "env".to_owned());
        assert_eq!(named(&one), "env");
        let rule = Selector { name: "rule".to_owned(), ..Selector::default() };
        assert_eq!(service(&one, &rule, around).name, "rule");
    }

    #[test]
    fn containers_name_services_and_compositions_more_so() {
        let mut container = Container { name: "shop_web_1".to_owned(), service: "web".to_owned() };
        let one = process("/bin/server", &["server"], Language::Generic);
        let made = |container: &Container| {
            let around = Surroundings { host: "h", host_id: "i", container: Some(container) };
            service(&one, &Selector::default(), around).name
        };
        assert_eq!(made(&container), "web");
        container.service.clear();
        assert_eq!(made(&container), "shop_web_1");
    }

    #[test]
    fn programs_are_named_by_what_they_run() {
        for (executable, command, language, name) in [
            ("/usr/bin/python3", &["python3", "-m", "http.server", "80"][..], Language::Python, "http.server"),
            ("/usr/bin/python3", &["python3", "-c", "print(1)"], Language::Python, "python3"),
            ("/usr/bin/node", &["node", "server.js"], Language::Nodejs, "server"),
            ("/usr/bin/java", &["java", "-Xmx1g", "-jar", "/opt/shop-1.0.jar"], Language::Java, "shop-1.0"),
            ("/usr/bin/java", &["java", "-cp", "a:b", "org.example.Main"], Language::Java, "Main"),
            ("/usr/sbin/nginx (deleted)", &["nginx: worker"], Language::Generic, "nginx"),
        ] {
            assert_eq!(named(&process(executable, command, language)), name);
        }
        let unreadable = Facts { comm: "kworker".to_owned(), ..Facts::default() };
        assert_eq!(named(&unreadable), "kworker");
    }
}
