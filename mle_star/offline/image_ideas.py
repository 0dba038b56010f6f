"""Refinements of the features, preparations and models of images."""

from __future__ import annotations

from mle_star.offline.recipe import Change, Idea, before_return, replace_text, set_keywords

MIRROR = """\
copies += [image_rows[:, :, ::-1] for image_rows in (images, *copies)]
"""

DIAGONALS = """\
padded = np.pad(images, ((0, 0), (steps, steps), (steps, steps), (0, 0)), mode="edge")
for top in (0, 2 * steps):
    for left in (0, 2 * steps):
        copies.append(padded[:, top : top + SIDE, left : left + SIDE])
"""

TURNS = """\
from PIL import Image

def turned(image, angle):
    bands = [Image.fromarray((image[..., band] * 255).astype("uint8")) for band in range(image.shape[-1])]
    bands = [np.asarray(band.rotate(angle, resample=Image.Resampling.BILINEAR)) for band in bands]
    return np.stack(bands, axis=-1).astype("float32") / 255

for angle in (-10, 10):
    copies.append(np.stack([turned(image, angle) for image in images]))
"""

COARSE_VIEW = """\
# The same over cells of twice the size: parts of shapes as well as strokes.
views = (*views, (components // 2, gradients(fit_images, cell=SIDE // 4), gradients(new_images, cell=SIDE // 4)))
for count, fit_view, new_view in views[2:]:
    pca = PCA(min(count, *fit_view.shape), whiten=whiten, svd_solver="randomized", random_state=SEED)
    fit_parts.append(pca.fit_transform(fit_view))
    new_parts.append(pca.transform(new_view))
"""

COARSE_CELLS = """\
fit_parts.append(gradients(read_images(fit_rows), cell=SIDE // 4))
new_parts.append(gradients(read_images(new_rows), cell=SIDE // 4))
"""

PIXELS = """\
fit_parts.append(0.3 * read_images(fit_rows).reshape(len(fit_rows), -1))
new_parts.append(0.3 * read_images(new_rows).reshape(len(new_rows), -1))
"""

PROJECTIONS = """\
for images, into in ((read_images(fit_rows), fit_parts), (read_images(new_rows), new_parts)):
    into.append(np.hstack([images.mean(axis=(1, 3)), images.mean(axis=(2, 3))]))
"""

DIFFERENCES = """\
for first in range(images.shape[-1]):
    for second in range(first):
        gap = images[..., first] - images[..., second]
        parts[f"gap {first} {second}"] = gap.mean(axis=(1, 2))
        parts[f"gap spread {first} {second}"] = gap.std(axis=(1, 2))
"""

SATURATION = """\
vividness = images.max(axis=-1) - images.min(axis=-1)
for share in (0.1, 0.5, 0.9):
    parts[f"vividness {share}"] = np.quantile(vividness.reshape(len(images), -1), share, axis=1)
"""

PLACES = """\
half = SIDE // 2
for corner, (top, left) in enumerate(((0, 0), (0, half), (half, 0), (half, half))):
    for channel in range(images.shape[-1]):
        quarter = images[:, top : top + half, left : left + half, channel]
        parts[f"corner {corner} mean {channel}"] = quarter.mean(axis=(1, 2))
"""


def idea(block: str, title: str, reason: str, change: Change) -> Idea:
    """An idea that leaves the rest of its block alone, and says so."""
    return Idea(block, title, f"{reason} The rest of the block stays as it is.", change)


IDEAS = (
    idea("colours", "Compare the colour channels with one another.",
         "Add mean and spread of the channels' differences: hues, whatever the brightness.",
         before_return(DIFFERENCES)),
    idea("colours", "Say where in the image the colours are.",
         "Add the mean of each channel in each quarter of the image.", before_return(PLACES)),
    idea("colours", "Measure how vivid the colours are.",
         "Add quantiles of the distance between the strongest and the weakest channel.", before_return(SATURATION)),
    idea("colours", "Count colours in finer steps.", "Use 16 levels for each channel.", set_keywords(bins=16)),
    idea("gradients", "Tell light-to-dark from dark-to-light edges.",
         "Take directions over the full circle instead of half of it: strokes have two unlike sides.",
         replace_text("% np.pi * bins / np.pi", "% (2 * np.pi) * bins / (2 * np.pi)")),
    idea("gradients", "Take more directions.", "Use 12 bins for the directions: curves are told apart more finely.",
         set_keywords(bins=12)),
    idea("gradients", "Take the square root of the gradients' strength.",
         "Faint edges then count nearly as much as strong ones, which evens out contrast.",
         replace_text("strength = np.hypot(down, right)", "strength = np.sqrt(np.hypot(down, right))")),
    idea("gradients", "Let single cells dominate their blocks more.",
         "Cut the normalised histograms at 0.5 instead of 0.3.",
         replace_text("np.minimum(blocks, 0.3)", "np.minimum(blocks, 0.5)")),
    idea("gradients", "Keep faint blocks faint.",
         "Raise the constant of the normalisation from 0.1 to 0.5, so that nearly empty blocks are not blown up.",
         replace_text("keepdims=True) + 0.1)", "keepdims=True) + 0.5)")),
    idea("shifted", "Shift the copies along the diagonals as well.",
         "Four more copies of every image: a finer lesson that position does not matter.", before_return(DIAGONALS)),
    idea("shifted", "Turn copies of the images by a few degrees.",
         "Two more copies, turned by ten degrees to either side.", before_return(TURNS)),
    idea("shifted", "Shift the copies by two pixels.", "A stronger shift, for objects that are not centred.",
         set_keywords(steps=2)),
    idea("shifted", "Mirror the images.",
         "Add mirrored copies: right for photographs, wrong for writing, and the score tells which it is.",
         before_return(MIRROR)),
    idea("pixel_matrix", "Let the columns beside the images weigh more.", "Set their weight to 0.1.",
         set_keywords(side_weight=0.1)),
    idea("pixel_matrix", "Let the columns beside the images weigh less.", "Set their weight to 0.01.",
         set_keywords(side_weight=0.01)),
    idea("pixel_matrix", "Let the columns beside the images weigh as much as strong edges.", "Set their weight to 0.3.",
         set_keywords(side_weight=0.3)),
    idea("pixel_matrix", "Even out the images' contrast.",
         "Divide each image by its own spread, so that pale and dark photographs of the same thing look alike.",
         replace_text("read_images(rows).reshape(len(rows), -1) for rows",
                      "(lambda flat: 0.3 * flat / flat.std(axis=1, keepdims=True).clip(0.02))"
                      "(read_images(rows).reshape(len(rows), -1)) for rows")),
    idea("gradient_matrix", "Add gradients over large cells.",
         "Cells of a quarter of the image see whole parts of a shape.", before_return(COARSE_CELLS)),
    idea("gradient_matrix", "Add the pixels themselves.", "Brightness at a place is lost in gradients.",
         before_return(PIXELS)),
    idea("gradient_matrix", "Add brightness by row and by column.", "Projections tell proportions.",
         before_return(PROJECTIONS)),
    idea("gradient_matrix", "Let the columns beside the images count for more.", "Set their weight to 0.3.",
         set_keywords(side_weight=0.3)),
    idea("component_matrix", "Take principal components of large cells as well.",
         "A second set of gradient histograms, over cells of a quarter of the image.", before_return(COARSE_VIEW)),
    idea("component_matrix", "Leave the components of plain pixels out.", "Gradients alone may separate better.",
         set_keywords(pixel_components=0)),
    idea("component_matrix", "Take more components.", "Keep 100 of the gradients and 50 of the pixels.",
         set_keywords(components=100, pixel_components=50)),
    idea("component_matrix", "Take fewer components.", "Keep 35 of the gradients and 15 of the pixels.",
         set_keywords(components=35, pixel_components=15)),
    idea("component_matrix", "Keep the components' own spread.",
         "Do not whiten: leading components then count more in distances.", set_keywords(whiten=False)),
    idea("patch_matrix", "Learn a larger dictionary.", "Use 300 typical patches.", set_keywords(words=300)),
    idea("patch_matrix", "Pool over smaller regions.", "Pool over 4 by 4 regions instead of 3 by 3.",
         set_keywords(quarters=4)),
    idea("patch_matrix", "Take larger patches.", "Patches of 8 pixels hold more of a shape.", set_keywords(patch=8)),
    idea("patch_matrix", "Take smaller patches.", "Patches of 4 pixels are shared by more images.",
         set_keywords(patch=4)),
    idea("gradient_svm", "Train on copies that are shifted by one pixel.",
         "Every training image comes five times: as it is and moved to each side. What does not matter is learnt so; "
         "images that are judged stay as they are.", set_keywords(shifts=1)),
    idea("gradient_svm", "Take more components in the kernel.", "Keep 100 principal components.",
         set_keywords(components=100)),
    idea("gradient_svm", "Regularise the kernel less.", "Set the strength to 40.", set_keywords(strength=40.0)),
    idea("gradient_svm", "Regularise the kernel more.", "Set the strength to 3.", set_keywords(strength=3.0)),
    idea("gradient_svm", "Take fewer components in the kernel.", "Keep 40 principal components: less noise.",
         set_keywords(components=40)),
    idea("gradient_network", "Train the network on copies that are shifted by one pixel.",
         "Every training image comes five times, as it is and moved to each side; eight passes are enough then.",
         set_keywords(shifts=1, epochs=8)),
    idea("gradient_network", "Make the network twice as wide.", "Use 256 hidden units.", set_keywords(width=256)),
    idea("gradient_network", "Train the network longer.", "Use 40 passes.", set_keywords(epochs=40)),
    idea("gradient_network", "Average the network over five starts.", "The mean of five is better than each.",
         replace_text("max(2, BAGS)", "max(5, BAGS)")),
    idea("gradient_network", "Decay the network's weights more.", "Set the decay to 0.3.", set_keywords(decay=0.3)),
    idea("gradient_linear", "Regularise the linear model less.", "Set the strength to 10.",
         set_keywords(strength=10.0)),
    idea("gradient_linear", "Regularise the linear model more.", "Set the strength to 0.5.",
         set_keywords(strength=0.5)),
    idea("gradient_linear", "Train the linear model on copies that are shifted by one pixel.",
         "Every training image comes five times, as it is and moved to each side.", set_keywords(shifts=1)),
    idea("gradient_linear", "Regularise the linear model much more.", "Set the strength to 0.1.",
         set_keywords(strength=0.1)),
    idea("patch_linear", "Weigh the learnt features more freely.", "Regularise a third as much.",
         replace_text("strength=0.003", "strength=0.01")),
    idea("patch_linear", "Shrink the learnt features' weights.", "Regularise three times as much.",
         replace_text("strength=0.003", "strength=0.001")),
    idea("patch_linear", "Shrink the ridge on learnt features.", "Set the strength to 1,000.",
         replace_text("strength=300.0", "strength=1_000.0")),
    idea("patch_linear", "Free the ridge on learnt features.", "Set the strength to 100.",
         replace_text("strength=300.0", "strength=100.0")),
    idea("patch_linear", "Shrink the ridge on learnt features far more.", "Set the strength to 5,000.",
         replace_text("strength=300.0", "strength=5_000.0")),
    idea("patch_linear", "Shrink the learnt features' weights far more.", "Regularise ten times as much.",
         replace_text("strength=0.003", "strength=0.0003")),
    idea("patch_linear", "Let the fit of learnt features converge.", "Allow 600 iterations.",
         set_keywords(iterations=600)),
    idea("image_boosting", "Boost with smaller steps.", "Halve the learning rate and grow 300 trees.",
         set_keywords(learning_rate=0.05, trees=300)),
    idea("image_boosting", "Let each tree see a tenth of the components.", "Trees differ more, and are faster.",
         set_keywords(columns=0.1)),
    idea("image_boosting", "Grow larger trees on the components.", "Use 31 leaves.", set_keywords(leaves=31)),
    idea("image_boosting", "Grow smaller trees on the components.", "Use 5 leaves.", set_keywords(leaves=5)),
    idea("image_trees", "Let the trees choose among more gradients.", "Try a tenth of all columns at each cut.",
         set_keywords(columns=0.1)),
    idea("image_trees", "Grow 400 trees on gradients.", "A steadier mean.", set_keywords(trees=400)),
    idea("image_trees", "Stop the trees at three images.", "Leaves of three images: calmer probabilities.",
         set_keywords(min_leaf=3)),
    idea("image_trees", "Measure the trees' cuts by entropy.", "For classes: entropy instead of the Gini index.",
         replace_text("ExtraTreesClassifier(\n        n_estimators=trees,",
                      'ExtraTreesClassifier(\n        n_estimators=trees, criterion="entropy",')),
    idea("image_gaussians", "Draw the classes' covariances together more.", "Set the shrinkage to 0.5.",
         set_keywords(shrinkage=0.5)),
    idea("image_gaussians", "Let every class keep its own covariance.", "Set the shrinkage to 0.05.",
         set_keywords(shrinkage=0.05)),
    idea("image_gaussians", "Make the likelihoods surer.", "Set the temper to 0.4.", set_keywords(temper=0.4)),
    idea("image_gaussians", "Make the likelihoods less sure.", "Set the temper to 0.1.", set_keywords(temper=0.1)),
    idea("image_neighbours", "Ask only the nearest images.", "Use 4 neighbours.", set_keywords(neighbours=4)),
    idea("image_neighbours", "Ask more images.", "Use 20 neighbours.", set_keywords(neighbours=20)),
    idea("image_neighbours", "Let the nearest image decide.", "Set the sharpness to 2.", set_keywords(sharpness=2.0)),
    idea("image_neighbours", "Measure likeness by angles.", "Compare directions of the component vectors.",
         replace_text("n_jobs=CORES,", 'metric="cosine", n_jobs=CORES,')),
    idea("component_kernel", "Take more landmarks among the images.", "Use 1,500 landmarks.",
         set_keywords(landmarks=1_500)),
    idea("component_kernel", "Narrow the kernel over components.", "Set the width to 2.", set_keywords(width=2.0)),
    idea("component_kernel", "Widen the kernel over components.", "Set the width to 0.4.", set_keywords(width=0.4)),
    idea("component_kernel", "Regularise the components' kernel more.", "Set the strength to 1.",
         set_keywords(strength=1.0)),
)  # fmt: skip
