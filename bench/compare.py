"""Distances between two sets of measured faces: spread, shapes, groups, and likeness to single training pictures."""

import numpy as np

COMPONENTS = 20  # of the shapes
SPLITS = 10  # random halves of the training set
SURE = 0.9  # probability from which a group counts as told
CHUNK = 500


def mean_pairwise(values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean Euclidean distance between two different rows of [N, D], drawn by `weights` [N] (None: all alike)."""
    values = values.reshape(len(values), -1).astype(np.float64)
    weights = np.full(len(values), 1 / len(values)) if weights is None else weights / weights.sum()
    squares, total = np.square(values).sum(axis=1), 0.0
    for start in range(0, len(values), CHUNK):
        part = slice(start, start + CHUNK)
        apart = np.sqrt(np.maximum(squares[part, None] + squares - 2 * values[part] @ values.T, 0))
        total += weights[part] @ apart @ weights
    return float(total / (1 - np.square(weights).sum()))


def frechet(a: np.ndarray, b: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Frechet distance between the Gaussians with the moments of [N, D] and [M, D] (arXiv 1706.08500, equation 6).

    weights [N]: how often each row of `a` counts; None: all alike.
    """
    covariances = [np.cov(a, rowvar=False, aweights=weights), np.cov(b, rowvar=False)]
    apart = np.average(a, axis=0, weights=weights) - b.mean(axis=0)
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0)).sum()
    return float(np.square(apart).sum() + sum(np.trace(c) for c in covariances) - 2 * cross)


class Shapes:
    """Principal components of aligned shapes, learned from the training set."""

    def __init__(self, aligned: np.ndarray):
        flat = aligned.reshape(len(aligned), -1).astype(np.float64)
        self.mean = flat.mean(axis=0)
        _, values, vectors = np.linalg.svd(flat - self.mean, full_matrices=False)
        self.vectors = vectors[:COMPONENTS]
        self.deviations = values[:COMPONENTS] / np.sqrt(len(flat))

    def project(self, aligned: np.ndarray) -> np.ndarray:
        """[N, COMPONENTS] of aligned shapes."""
        return (aligned.reshape(len(aligned), -1) - self.mean) @ self.vectors.T


def half_distances(projected: np.ndarray) -> float:
    """Mean Frechet distance between two random halves."""
    found, rng = [], np.random.default_rng(0)
    for _ in range(SPLITS):
        order, half = rng.permutation(len(projected)), len(projected) // 2
        found.append(frechet(projected[order[:half]], projected[order[half:]]))
    return float(np.mean(found))


def shares_of(labels: list[str], balance: float) -> np.ndarray:
    """[N]: how often training with `balance` draws each picture: a group's share goes with size^(1 - balance)."""
    names, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    shares = (sizes ** -float(balance))[index]
    return shares / shares.sum()


class Groups:
    """Which folder of the training set a face is of: linear discriminants with equal priors and shared covariance."""

    def __init__(self, features: np.ndarray, labels: list[str], shrinkage: float = 0.05):
        self.names, labels = sorted(set(labels)), np.array(labels)
        self.low, self.high = features.mean(axis=0), features.std(axis=0) + 1e-6
        x = (features - self.low) / self.high
        means = np.stack([x[labels == name].mean(axis=0) for name in self.names])
        parts = [np.cov(x[labels == name], rowvar=False) for name in self.names]
        shared = np.mean(parts, axis=0)
        shared = (1 - shrinkage) * shared + shrinkage * np.trace(shared) / len(shared) * np.eye(len(shared))
        self.weights = np.linalg.solve(shared, means.T)
        self.offsets = -0.5 * np.einsum("kd,dk->k", means, self.weights)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """[N, groups]."""
        scores = (features - self.low) / self.high @ self.weights + self.offsets
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)


def group_accuracy(features: np.ndarray, labels: list[str], folds: int = 5) -> dict[str, float]:
    """Share of each group's faces that are told right by discriminants that have not seen them."""
    labels = np.array(labels)
    part = np.random.default_rng(0).permutation(len(labels)) % folds
    right = np.zeros(len(labels), bool)
    for fold in range(folds):
        groups = Groups(features[part != fold], list(labels[part != fold]))
        told = groups.probabilities(features[part == fold]).argmax(axis=1)
        right[part == fold] = np.array(groups.names)[told] == labels[part == fold]
    return {name: float(right[labels == name].mean()) for name in sorted(set(labels))}


def crop_components(crops: np.ndarray, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """(mean [D], vectors [count, D]) of the crops' principal components."""
    flat = crops.reshape(len(crops), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    vectors = np.linalg.eigh((flat - mean).T @ (flat - mean))[1]
    return mean, vectors[:, ::-1][:, :count].T


def nearest(small: np.ndarray, others: np.ndarray, same: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(distance [N], index [N]) of the nearest of `others` to each picture, uint8 [N, 32, 32, 3] both.

    Root of the mean squared difference in grey levels, to the picture or its mirror image. same: both sets are one,
    and a picture is not its own neighbour.
    """
    targets = others.reshape(len(others), -1).astype(np.float32)
    squares = np.square(targets).sum(axis=1)
    distances, indices = [], []
    for start in range(0, len(small), CHUNK):
        best = None
        for flip in (slice(None), slice(None, None, -1)):
            rows = small[start : start + CHUNK, :, flip].reshape(-1, targets.shape[1]).astype(np.float32)
            found = np.square(rows).sum(axis=1)[:, None] + squares - 2 * rows @ targets.T
            best = found if best is None else np.minimum(best, found)
        if same:
            best[np.arange(len(best)), start + np.arange(len(best))] = np.inf
        indices.append(best.argmin(axis=1))
        distances.append(np.sqrt(np.maximum(best.min(axis=1), 0) / targets.shape[1]))
    return np.concatenate(distances), np.concatenate(indices)
