using Microsoft.ML.Data;

namespace CondDiffusion.Examples;

/// <summary>A row of an image set in memory.</summary>
internal sealed class LabelledImage
{
    public string Label { get; set; } = "";

    public MLImage? Image { get; set; }
}
