"""``python -m vqlab.vision.train``: see :mod:`vqlab.vision.command`, which does the work.

Not to be imported: ``vqlab.vision.train`` is the function of that name.
"""

if __name__ == "__main__":
    from vqlab.vision.command import main

    main()
