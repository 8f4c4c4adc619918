namespace CondDiffusion.MLNet;

/// <summary>Selects one of the two parts of an MNIST-format data set.</summary>
public enum MnistSplit
{
    /// <summary>The training part: the files whose names begin with <c>train</c>.</summary>
    Train,

    /// <summary>The test part, held out from training: the files whose names begin with <c>t10k</c>.</summary>
    Test,
}
