namespace CondDiffusion.MLNet;

/// <summary>Which of the two parts of an MNIST-format data set to load.</summary>
public enum MnistSplit
{
    /// <summary>The training part: the files whose names begin with <c>train</c>.</summary>
    Train,

    /// <summary>The held-out part: the files whose names begin with <c>t10k</c>.</summary>
    Test,
}
