//! A batch as short text, for people who look on while data passes.

use std::fmt::{self, Display, Write};

use super::views::{AttributeView, MetricView, NumberView, ScopeView};
use super::{Batch, SignalKind};

/// Of longer texts only the start is shown.
const MOST: usize = 16 << 10;

/// One line for the batch, one for each resource, one for each item. Request metadata, which may hold credentials,
/// is left out.
pub(super) fn describe(batch: &Batch) -> String {
    let mut page = Page(String::new());
    let items = match batch.kind() {
        SignalKind::Traces => "spans",
        SignalKind::Metrics => "data points",
        SignalKind::Logs => "log records",
        SignalKind::Profiles => "samples",
    };
    // Its error says that the text is long enough.
    if write(&mut page, batch, items).is_err() {
        page.0.push_str("\n...");
    }
    page.0
}

/// Text with control characters escaped, up to a limit.
struct Page(String);

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.0.len() >= MOST {
                return Err(fmt::Error);
            }
            match letter {
                '\n' => self.0.push_str("\\n"),
                letter if letter.is_control() => write!(self.0, "\\u{{{:x}}}", u32::from(letter))?,
                letter => self.0.push(letter),
            }
        }
        Ok(())
    }
}

impl Page {
    fn line(&mut self, depth: usize, text: fmt::Arguments<'_>) -> fmt::Result {
        self.0.push('\n');
        self.0.extend(std::iter::repeat_n(' ', 2 * depth));
        self.write_fmt(text)
    }
}

struct Attributes<I>(I);

impl<'a, I: Iterator<Item = AttributeView<'a>> + Clone> Display for Attributes<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.clone().try_for_each(|attribute| write!(f, " {}={}", attribute.key(), attribute.value()))
    }
}

fn write(page: &mut Page, batch: &Batch, items: &str) -> fmt::Result {
    write!(page, "{} {items} in {} bytes", batch.items(), batch.len())?;
    for resource in batch.resources() {
        page.line(1, format_args!("resource{}", Attributes(resource.attributes())))?;
        for scope in resource.scopes() {
            if !scope.name().is_empty() {
                page.line(2, format_args!("scope {} {}", scope.name(), scope.version()))?;
            }
            write_items(page, &scope)?;
        }
    }
    Ok(())
}

fn write_items(page: &mut Page, scope: &ScopeView<'_>) -> fmt::Result {
    for span in scope.spans() {
        let took = span.end_time_unix_nano().saturating_sub(span.start_time_unix_nano());
        let (name, trace, id) = (span.name(), span.trace_id(), span.span_id());
        let took = std::time::Duration::from_nanos(took);
        page.line(3, format_args!("{name} {trace} {id} {took:?}{}", Attributes(span.attributes())))?;
    }
    for log in scope.logs() {
        let body = log.body();
        page.line(3, format_args!("{} {body}{}", log.severity_text(), Attributes(log.attributes())))?;
    }
    for metric in scope.metrics() {
        write_metric(page, &metric)?;
    }
    for profile in scope.profiles() {
        page.line(3, format_args!("profile {}", profile.profile_id()))?;
    }
    Ok(())
}

fn write_metric(page: &mut Page, metric: &MetricView<'_>) -> fmt::Result {
    let Some(data) = metric.data() else { return Ok(()) };
    page.line(3, format_args!("{} ({}) {}", metric.name(), data.metric_type().name(), metric.unit()))?;
    for point in data.points() {
        page.line(4, format_args!("{}", Attributes(point.attributes())))?;
        match (point.value(), point.count(), point.sum()) {
            (Some(NumberView::Int(value)), ..) => write!(page, " value={value}")?,
            (Some(NumberView::Double(value)), ..) => write!(page, " value={value}")?,
            (None, count, sum) => {
                if let Some(count) = count {
                    write!(page, " count={count}")?;
                }
                if let Some(sum) = sum {
                    write!(page, " sum={sum}")?;
                }
            }
        }
    }
    Ok(())
}
