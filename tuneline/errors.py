"""Errors a user can act on: each names the place, the value and the way out."""


class TunelineError(Exception):
    """Base of every error that the command line prints as one sentence, without a traceback."""


class ProfileError(TunelineError):
    """A profile or an override is wrong."""


class DataError(TunelineError):
    """Input data is missing, unreadable or unfit to train on."""


class BaseModelError(TunelineError):
    """The base model cannot be found or loaded."""


class TrainingError(TunelineError):
    """Training cannot start or did not give a usable adapter."""


class KilledError(TrainingError):
    """A process of a training was killed; its last complete checkpoint is kept."""


class SearchError(TunelineError):
    """Settings cannot be searched for, or every trial failed."""


class EvaluationError(TunelineError):
    """Scores cannot be computed or compared."""


class QuantizationError(TunelineError):
    """A variant cannot be made, or is not the model that it should be."""


class ReviewError(TunelineError):
    """A review does not exist, its verdicts are wrong, or its judge cannot be asked."""


class GateError(TunelineError):
    """A report lacks what the promotion gate needs."""


class RegistryError(TunelineError):
    """The model registry does not hold what was asked for, or another writer was first."""


class ABTestError(TunelineError):
    """An A/B test is asked for in a form that it cannot have, or there is none."""


class StoreError(TunelineError):
    """An output is not in the store, or cannot be written to it."""


class BusyError(TunelineError):
    """Another retraining of the domain is running."""


class TrackingError(TunelineError):
    """The MLflow tracking server cannot be used."""
