namespace CondDiffusion.MLNet;

/// <summary>Where the generated rows of an augmentation are.</summary>
public enum AugmentationOrder
{
    /// <summary>Spread evenly between the real ones, the labels among them, too.</summary>
    Interleaved,

    /// <summary>After the real ones.</summary>
    Appended,
}
