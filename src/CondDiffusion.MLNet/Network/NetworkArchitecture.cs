namespace CondDiffusion.MLNet;

/// <summary>
/// The form of the U-Net (Ronneberger et al. 2015, arXiv 1505.04597) that a model generates with.
/// </summary>
public enum NetworkArchitecture
{
    /// <summary>
    /// The network of the published method. Each block has two 3x3 convolutions, and the time and label embedding is
    /// added to its input. It computes at full, half and quarter resolution.
    /// </summary>
    Plain,

    /// <summary>
    /// Residual blocks (He et al. 2016, arXiv 1512.03385), which the time and label embedding scales and shifts after
    /// a normalization (Dhariwal and Nichol 2021, arXiv 2105.05233, section 3.2), with self-attention (Vaswani et al.
    /// 2017, arXiv 1706.03762) at the lowest resolution. The highest resolution that it computes at is half that of the
    /// image: squares of 2 x 2 pixels become channels (Shi et al. 2016, arXiv 1609.05158).
    /// </summary>
    Residual,
}
