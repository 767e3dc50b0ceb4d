#!/bin/sh
# CelebA at 128 pixels on one GPU: the preset `gpu`, one layer lower. FOLDER_OF_IMAGES is img_align_celeba or its zip.
. "$(dirname "$0")/recipe.sh"
runs=${runs:-checkpoints/celeba128}
cost images '202,599 of CelebA, 5,000,000 shown'
cost time '1.1e18 operations: 16 hours of a GPU that sustains 20 TFLOP/s; by arithmetic, not measured'
cost disk '13 GB of cache, 8 GB of states'
cost result '128 x 128 pixels, 98 MB'

train "$runs" 5000000 --preset gpu --device cuda --max_step 5
