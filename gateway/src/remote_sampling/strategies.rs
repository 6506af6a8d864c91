//! The file of strategies, and what it answers for a service.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wholetrace_proto::wire::{put_bytes, put_fixed64, put_uint};

/// What Jaeger tells clients to keep where a file does not say it.
const DEFAULT_PROBABILITY: f64 = 0.001;

/// The most traces a second that clients of Jaeger can be told: they read 16 bits.
const TRACES_PER_SECOND_MAX: f64 = 32_767.0;

/// A file of strategies, as Jaeger reads it. Keys that are not known are passed over, as there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    default_strategy: Option<ServiceStrategy>,
    service_strategies: Vec<ServiceStrategy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServiceStrategy {
    service: String,
    #[serde(flatten)]
    strategy: Strategy,
    operation_strategies: Vec<OperationStrategy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OperationStrategy {
    operation: String,
    #[serde(flatten)]
    strategy: Strategy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Strategy {
    #[serde(rename = "type")]
    kind: String,
    param: f64,
}

/// What is answered for a service, in the form of the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    strategy_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilistic_sampling: Option<Probabilistic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limiting_sampling: Option<RateLimiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_sampling: Option<Operations>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Probabilistic {
    sampling_rate: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLimiting {
    max_traces_per_second: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operations {
    default_sampling_probability: f64,
    default_lower_bound_traces_per_second: f64,
    per_operation_strategies: Vec<Operation>,
    default_upper_bound_traces_per_second: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation: String,
    probabilistic_sampling: Probabilistic,
}

const PROBABILISTIC: &str = "PROBABILISTIC";
const RATE_LIMITING: &str = "RATE_LIMITING";

/// All answers of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Strategies {
    default: Answer,
    services: HashMap<String, Answer>,
}

impl Strategies {
    /// The answers of the file with the JSON text `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let file: Option<File> = serde_json::from_slice(text)
            .map_err(|error| format!("is no file of Jaeger's strategies: {error}"))?;
        let File { default_strategy, service_strategies } = file.unwrap_or_default();
        let default = match &default_strategy {
            Some(strategy) => strategy.answer("default_strategy")?,
            None => Answer::probabilistic(DEFAULT_PROBABILITY),
        };
        let mut services = HashMap::with_capacity(service_strategies.len());
        for strategy in &service_strategies {
            let mut answer = strategy.answer(&format!("service `{}`", strategy.service))?;
            if let Some(operations) = &default.operation_sampling {
                answer.add_operations(operations);
            }
            services.insert(strategy.service.clone(), answer);
        }
        Ok(Self { default, services })
    }

    /// What is answered for `service`.
    pub(crate) fn answer(&self, service: &str) -> &Answer {
        self.services.get(service).unwrap_or(&self.default)
    }

    /// How many services have one of their own.
    pub(crate) fn services(&self) -> usize {
        self.services.len()
    }
}

impl ServiceStrategy {
    fn answer(&self, place: &str) -> Result<Answer, String> {
        let mut answer = self.strategy.answer(place)?;
        if self.operation_strategies.is_empty() {
            return Ok(answer);
        }
        let mut operations = Operations {
            default_sampling_probability: answer.probability().unwrap_or(DEFAULT_PROBABILITY),
            default_lower_bound_traces_per_second: 0.0,
            per_operation_strategies: Vec::with_capacity(self.operation_strategies.len()),
            default_upper_bound_traces_per_second: 0.0,
        };
        for OperationStrategy { operation, strategy } in &self.operation_strategies {
            let place = format!("{place}, operation `{operation}`");
            let Some(sampling_rate) = strategy.answer(&place)?.probability() else {
                return Err(format!("{place}: an operation's type must be `probabilistic`"));
            };
            operations.per_operation_strategies.push(Operation {
                operation: operation.clone(),
                probabilistic_sampling: Probabilistic { sampling_rate },
            });
        }
        answer.operation_sampling = Some(operations);
        Ok(answer)
    }
}

impl Strategy {
    fn answer(&self, place: &str) -> Result<Answer, String> {
        let Self { kind, param } = self;
        match kind.as_str() {
            "probabilistic" if (0.0..=1.0).contains(param) => Ok(Answer::probabilistic(*param)),
            "probabilistic" => Err(format!("{place}: `param` is `{param}`, must be 0 to 1")),
            "ratelimiting" if (0.0..=TRACES_PER_SECOND_MAX).contains(param) => {
                #[expect(clippy::cast_possible_truncation, reason = "compared before")]
                let max_traces_per_second = *param as i32;
                Ok(Answer {
                    strategy_type: RATE_LIMITING,
                    probabilistic_sampling: None,
                    rate_limiting_sampling: Some(RateLimiting { max_traces_per_second }),
                    operation_sampling: None,
                })
            }
            "ratelimiting" => {
                Err(format!("{place}: `param` is `{param}`, must be 0 to {TRACES_PER_SECOND_MAX}"))
            }
            other => Err(format!(
                "{place}: the type is `{other}`, must be `probabilistic` or `ratelimiting`"
            )),
        }
    }
}

impl Answer {
    const fn probabilistic(sampling_rate: f64) -> Self {
        Self {
            strategy_type: PROBABILISTIC,
            probabilistic_sampling: Some(Probabilistic { sampling_rate }),
            rate_limiting_sampling: None,
            operation_sampling: None,
        }
    }

    fn probability(&self) -> Option<f64> {
        self.probabilistic_sampling.as_ref().map(|sampling| sampling.sampling_rate)
    }

    /// Adds the operations that hold for all services, as far as this one does not have its own.
    fn add_operations(&mut self, of_all: &Operations) {
        let probability = self.probability();
        match &mut self.operation_sampling {
            Some(own) => {
                let own = &mut own.per_operation_strategies;
                let is_own = |name: &str| own.iter().any(|one| one.operation == name);
                let of_all = of_all.per_operation_strategies.iter();
                let more: Vec<_> = of_all.filter(|one| !is_own(&one.operation)).cloned().collect();
                own.extend(more);
            }
            None => {
                let mut operations = of_all.clone();
                if let Some(probability) = probability {
                    operations.default_sampling_probability = probability;
                }
                self.operation_sampling = Some(operations);
            }
        }
    }

    /// The answer over HTTP.
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The answer over gRPC: a `SamplingStrategyResponse`.
    pub(crate) fn protobuf(&self) -> Vec<u8> {
        let (mut out, mut message) = (Vec::new(), Vec::new());
        let put = |number, message: &mut Vec<u8>, out: &mut Vec<u8>| {
            put_bytes(out, number, message);
            message.clear();
        };
        if self.strategy_type == RATE_LIMITING {
            put_uint(&mut out, 1, 1);
        }
        if let Some(Probabilistic { sampling_rate }) = &self.probabilistic_sampling {
            put_fixed64(&mut message, 1, sampling_rate.to_bits());
            put(2, &mut message, &mut out);
        }
        if let Some(RateLimiting { max_traces_per_second }) = &self.rate_limiting_sampling {
            put_uint(&mut message, 1, u64::try_from(*max_traces_per_second).unwrap_or(0));
            put(3, &mut message, &mut out);
        }
        if let Some(operations) = &self.operation_sampling {
            put_fixed64(&mut message, 1, operations.default_sampling_probability.to_bits());
            for Operation { operation, probabilistic_sampling } in
                &operations.per_operation_strategies
            {
                let (mut one, mut rate) = (Vec::new(), Vec::new());
                put_bytes(&mut one, 1, operation.as_bytes());
                put_fixed64(&mut rate, 1, probabilistic_sampling.sampling_rate.to_bits());
                put_bytes(&mut one, 2, &rate);
                put_bytes(&mut message, 3, &one);
            }
            put(4, &mut message, &mut out);
        }
        out
    }
}
