"""``python -m vqlab.vision.prepare``: see :mod:`vqlab.vision.ahead`, which does the work.

Not to be imported: ``vqlab.vision.prepare`` is the function of that name.
"""

if __name__ == "__main__":
    from vqlab.vision.ahead import main

    main()
