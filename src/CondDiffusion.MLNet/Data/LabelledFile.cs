namespace CondDiffusion.MLNet.Data;

/// <summary>An image file of a folder.</summary>
/// <param name="Name">Its path within the folder, with slashes.</param>
/// <param name="Label">Its label.</param>
/// <param name="IsGenerated">Whether it was generated; null if the folder does not say so of any image.</param>
internal readonly record struct LabelledFile(string Name, string Label, bool? IsGenerated = null);
