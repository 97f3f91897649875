# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of hyper.pods are made of; private to the collection."""
