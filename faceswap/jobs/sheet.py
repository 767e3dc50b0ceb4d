"""Pictures made of pictures: before and after, galleries, contact sheets."""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.shape.regions import box_of

INSET = 0.28  # the source's side / height of the comparison
GAP = 0.012  # between pictures / height
TALLEST = 1600  # pixels
CELL = 220  # side of a picture on a contact sheet, pixels
PAPER = 235  # grey level where there is no picture


def fit_within(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a copy that fits into (height, width), in proportion: averaged when made smaller, cubic when larger."""
    factor = min(height / image.shape[0], width / image.shape[1])
    size = (max(round(image.shape[1] * factor), 1), max(round(image.shape[0] * factor), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def before_after(target: np.ndarray, result: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Returns photo and result side by side on white, the source small in the photo's lower left corner.

    Args:
        target, result, source: uint8 [H, W, 3] RGB; the first two of one size.
    """
    height = min(max(target.shape[0], 384), TALLEST)
    left, right = (fit_within(image, height, 4 * height) for image in (target, result))
    gap = max(round(GAP * height), 2)
    inset = fit_within(source, round(INSET * height), round(INSET * height))
    inset = cv2.copyMakeBorder(inset, gap // 2, gap // 2, gap // 2, gap // 2, cv2.BORDER_CONSTANT, value=(255,) * 3)
    left = left.copy()
    h, w = (min(a, b) for a, b in zip(inset.shape[:2], left.shape[:2]))
    left[left.shape[0] - h :, :w] = inset[:h, :w]
    return np.hstack([left, np.full((left.shape[0], gap, 3), 255, np.uint8), right])


def cut_square(image: np.ndarray, points: np.ndarray, side: int, room: float = 0.6) -> np.ndarray:
    """Returns uint8 [side, side, 3]: a face with some room around it, grey where the picture ends.

    Args:
        points: [N, 2 or 3] landmarks in pixels of `image`.
        room: how much wider than the landmarks' box.
    """
    box = box_of(points)
    middle, half = (box[:2] + box[2:]) / 2, (1 + room) * max(box[2:] - box[:2]) / 2
    x0, y0 = np.floor(middle - half).astype(int)
    x1, y1 = np.ceil(middle + half).astype(int)
    inner = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if inner.size == 0:
        return np.full((side, side, 3), PAPER, np.uint8)
    out = np.full((y1 - y0, x1 - x0, 3), PAPER, np.uint8)
    top, left = max(-y0, 0), max(-x0, 0)
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return cv2.resize(out, (side, side), interpolation=cv2.INTER_AREA if y1 - y0 > side else cv2.INTER_CUBIC)


def label(image: np.ndarray, text: str) -> np.ndarray:
    """Returns a copy with a line of text in its upper left corner, readable on any ground."""
    out, scale = image.copy(), max(image.shape[0] / 320, 0.4)
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        at = (round(8 * scale), round(24 * scale))
        cv2.putText(
            out, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, colour, round(thickness * scale) or 1, cv2.LINE_AA
        )
    return out


def grid(cells: list[np.ndarray], columns: int) -> np.ndarray:
    """Returns equal pictures in rows of at most `columns`, the last row filled up with paper."""
    columns = max(min(columns, len(cells)), 1)
    missing = -len(cells) % columns
    cells = cells + [np.full_like(cells[0], PAPER)] * missing
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)])


def gallery(image: np.ndarray, faces: list[np.ndarray], side: int = 240) -> np.ndarray:
    """Returns all faces of a picture as numbered squares, in their order."""
    return grid([label(cut_square(image, points, side), str(n)) for n, points in enumerate(faces)], 6)


def captioned(photo: np.ndarray, result: np.ndarray | None, caption: str, side: int = CELL) -> np.ndarray:
    """Returns a cell of a contact sheet: photo and result (or nothing) side by side over one line of text."""
    cell = np.full((side + 24, 2 * side + 12, 3), PAPER, np.uint8)
    for number, image in enumerate((photo, result)):
        if image is not None:
            small = fit_within(image, side, side)
            cell[: small.shape[0], number * side : number * side + small.shape[1]] = small
    text = caption.encode("ascii", "replace").decode()[-58:]
    cv2.putText(cell, text, (4, side + 17), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return cell
