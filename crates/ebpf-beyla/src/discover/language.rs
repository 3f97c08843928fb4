//! What a process is written in, as far as its program and its libraries tell.

/// A language, or a run-time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// CPython.
    Python,
    /// Node.js.
    Nodejs,
    /// The JVM, whatever runs on it.
    Java,
    /// Go.
    Go,
    /// Ruby.
    Ruby,
    /// PHP.
    Php,
    /// .NET.
    Dotnet,
    /// Rust.
    Rust,
    /// Something else.
    #[default]
    Generic,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Python,
        Self::Nodejs,
        Self::Java,
        Self::Go,
        Self::Ruby,
        Self::Php,
        Self::Dotnet,
        Self::Rust,
        Self::Generic,
    ];

    /// `telemetry.sdk.language`, and the word for `languages`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Nodejs => "nodejs",
            Self::Java => "java",
            Self::Go => "go",
            Self::Ruby => "ruby",
            Self::Php => "php",
            Self::Dotnet => "dotnet",
            Self::Rust => "rust",
            Self::Generic => "generic",
        }
    }

    /// By the name of the program's file and the names of the libraries that it has mapped.
    pub fn of<'a>(executable: &str, libraries: impl IntoIterator<Item = &'a str>) -> Self {
        let program = file_name(executable);
        let by_program = [
            ("python", Self::Python),
            ("pypy", Self::Python),
            ("node", Self::Nodejs),
            ("java", Self::Java),
            ("ruby", Self::Ruby),
            ("php", Self::Php),
            ("dotnet", Self::Dotnet),
        ];
        // `python3.11`, but not `nodelocaldns`.
        let is = |name: &str| {
            program
                .strip_prefix(name)
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-')))
        };
        if let Some((_, language)) = by_program.into_iter().find(|(name, _)| is(name)) {
            return language;
        }
        let by_library = [
            ("libpython", Self::Python),
            ("libnode.", Self::Nodejs),
            ("libjvm.", Self::Java),
            ("libruby", Self::Ruby),
            ("libphp", Self::Php),
            ("libcoreclr.", Self::Dotnet),
        ];
        libraries
            .into_iter()
            .find_map(|library| {
                let name = file_name(library);
                by_library.into_iter().find(|(start, _)| name.starts_with(start)).map(|(_, language)| language)
            })
            .unwrap_or_default()
    }

    /// By names of sections of the program's file, for compiled programs.
    pub fn of_sections<'a>(sections: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        sections.into_iter().any(|name| matches!(name, ".go.buildinfo" | ".gopclntab")).then_some(Self::Go)
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_libraries_tell() {
        for (program, libraries, language) in [
            ("/usr/bin/python3.11", &[][..], Language::Python),
            ("/usr/bin/node", &[], Language::Nodejs),
            ("/usr/bin/nodelocaldns", &[], Language::Generic),
            ("/usr/lib/jvm/bin/java", &[], Language::Java),
            ("/opt/app/server", &["/lib/libc.so.6", "/usr/lib/libpython3.12.so.1.0"], Language::Python),
            ("/opt/app/server", &["/opt/jre/lib/server/libjvm.so"], Language::Java),
            ("/usr/sbin/nginx", &["/lib/libc.so.6"], Language::Generic),
        ] {
            assert_eq!(Language::of(program, libraries.iter().copied()), language, "{program}");
        }
        assert_eq!(Language::of_sections([".text", ".gopclntab"]), Some(Language::Go));
        assert_eq!(Language::of_sections([".text"]), None);
    }
}
