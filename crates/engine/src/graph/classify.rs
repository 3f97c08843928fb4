//! What a block is, or why it may not stand where it does.

use std::sync::Arc;

use corten_syntax::ast::Block;
use corten_syntax::eval::nearest;
use corten_syntax::{Diagnostic, quote};

use super::build::GraphContext;
use super::{ImportKind, Kind, Lexical, ModuleKind};
use crate::catalogue;
use crate::host::HostKind;

/// Services of Alloy that take no block.
const SILENT_SERVICES: [&str; 4] = ["cluster", "labelstore", "otel", "ui"];

pub(super) fn import_kind(name: &str) -> Option<ImportKind> {
    Some(match name {
        "import.file" => ImportKind::File,
        "import.string" => ImportKind::Text,
        "import.http" => ImportKind::Http,
        "import.git" => ImportKind::Git,
        _ => return None,
    })
}

/// The kind of a block; a `foreach` comes back as [`Kind::Broken`] for the caller to complete.
pub(super) fn classify(
    block: &Block,
    name: &str,
    module: ModuleKind,
    lexical: &Lexical,
    context: &GraphContext<'_>,
) -> Result<Kind, Diagnostic> {
    let error = |message: String| Err(Diagnostic::error(block.header_span(), message));
    let labelled = || match block.label {
        Some(_) => Ok(()),
        None => Err(Diagnostic::error(block.header_span(), format!("block {} requires non-empty label", quote(name)))
            .with_help(format!("write {name} \"some_name\" {{ ... }}"))),
    };
    if module == ModuleKind::Content && name != "declare" && import_kind(name).is_none() {
        return error(format!("only declare and import blocks are allowed in a module, got {name}"));
    }
    if let Some(kind) = import_kind(name) {
        labelled()?;
        if kind == ImportKind::File && context.fetched {
            return error("import.file is not allowed in content that was fetched by import.http".to_owned());
        }
        return Ok(Kind::Import(kind));
    }
    match name {
        "declare" => {
            labelled()?;
            return match block.label.as_ref().map(|label| &*label.text) {
                Some("declare") => error("\"declare\" cannot be the label of a declare block".to_owned()),
                _ => Ok(Kind::Declare),
            };
        }
        "argument" | "export" => {
            labelled()?;
            return match (module, name) {
                (ModuleKind::Declare, "argument") => Ok(Kind::Argument),
                (ModuleKind::Declare, _) => Ok(Kind::Export),
                _ => error(format!("{name} blocks only allowed inside a module")),
            };
        }
        "foreach" => {
            labelled()?;
            return Ok(Kind::Broken);
        }
        _ => {}
    }
    if let Some(index) = context.host_blocks.iter().position(|host| host.name() == name) {
        let host = &context.host_blocks[index];
        if module != ModuleKind::Root {
            return match host.kind {
                HostKind::Config => error(format!("{name} block not allowed inside a module")),
                HostKind::Service => error(format!("service blocks not allowed inside a module: {}", quote(name))),
            };
        }
        return match &block.label {
            Some(label) => {
                Err(Diagnostic::error(label.span, format!("block {} does not support specifying labels", quote(name))))
            }
            None => Ok(Kind::Host(index)),
        };
    }
    if SILENT_SERVICES.contains(&name) {
        return error(format!("service {} does not support being configured", quote(name)));
    }
    if let Some(definition) = lexical.find(block) {
        return Ok(Kind::Custom(definition));
    }
    match context.registry.get(name) {
        Some(_) if block.label.is_none() => {
            Err(Diagnostic::error(block.header_span(), format!("component {} must have a label", quote(name)))
                .with_help(format!("write {name} \"default\" {{ ... }}")))
        }
        Some(registration) => Ok(Kind::Component(*registration)),
        None => Err(unknown(block, name, module, lexical, context)),
    }
}

fn unknown(block: &Block, name: &str, module: ModuleKind, lexical: &Lexical, context: &GraphContext<'_>) -> Diagnostic {
    let message = format!("cannot find the definition of component name {}", quote(name));
    let diagnostic = Diagnostic::error(block.header_span(), message);
    if let Some(help) = catalogue::help(name, context.registry) {
        return diagnostic.with_help(help);
    }
    let customs = lexical.names();
    let mut names: Vec<&str> = context.registry.names().collect();
    names.extend(customs.iter().map(|name: &Arc<str>| &**name));
    names.extend(["declare", "foreach", "import.file", "import.string", "import.http", "import.git"]);
    if module == ModuleKind::Root {
        names.extend(context.host_blocks.iter().map(|host| host.name()));
    }
    match nearest(name, names) {
        Some(near) => diagnostic.with_help(format!("did you mean {}?", quote(near))),
        None => diagnostic,
    }
}
